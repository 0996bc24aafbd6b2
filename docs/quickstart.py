"""From a folder of recordings to a tagged clip, from Python: `python docs/quickstart.py`.

`recordings` has a folder per class. The test of this file runs it on a tiny set.
"""

import aec_ofa_tf as ofa

source = ofa.read_folder("recordings")
config = ofa.PrepareConfig("folder", clip_secs=4.0, payload="audio")
records = ofa.prepare(source, "runs/python/data", config)

space = ofa.search_space("[2,2,X]", base_channels=16)
experiment = ofa.Experiment("runs/python", records, space)

train = ofa.TrainConfig(batch_size=32, learning_rate=3e-3, schedule="cosine")
experiment.train_teacher(ofa.TeacherConfig(train, base_channels=16, steps=3000))
experiment.soft_labels()
experiment.train_supernet(ofa.SupernetConfig(train, largest_steps=500, steps=2000))

found = experiment.search(ofa.SearchConfig(["params<=50k", "params<=0.2M,macs<=50M"]))
print(found)

smallest = found.budgets[0].subnet
export = ofa.ExportConfig(inputs=["waveform"], quantizations=["int8"])
file = experiment.export(export, smallest).files[0]
print(ofa.Tagger(file.path).tag_file("dog.wav"))
