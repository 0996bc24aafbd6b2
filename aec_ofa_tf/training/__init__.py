"""Training and recalibration of supernets, teachers and single subnets."""
