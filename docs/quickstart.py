"""From a folder of recordings to a tagged clip, from Python: `python docs/quickstart.py`.

`recordings` has a folder per class. The test of this file runs it on a tiny set.
"""

import aec_ofa_tf as ofa

source = ofa.read_folder("recordings")
config = ofa.PrepareConfig("folder", clip_secs=4.0, payload="audio")
records = ofa.prepare(source, "runs/python/data", config)

space = ofa.search_space("[2,2,X]", base_channels=16)
thin = ofa.NetworkOptions(block_dropout=0.0, embedding_dropout=0.2)
experiment = ofa.Experiment("runs/python", records, space, thin)

plan = experiment.plan(hours=1)  # step numbers by the clock, settings for small data sets
experiment.train_teacher(plan.teacher)
experiment.soft_labels()
experiment.train_supernet(plan.supernet)

found = experiment.search(ofa.SearchConfig(["params<=50k", "params<=0.2M,macs<=50M"]))
print(found)

smallest = found.budgets[0].subnet
export = ofa.ExportConfig(inputs=["waveform"], quantizations=["int8"])
file = experiment.export(export, smallest).files[0]
print(ofa.Tagger(file.path).tag_file("dog.wav"))
