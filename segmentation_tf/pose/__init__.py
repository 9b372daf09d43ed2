"""Joints of people (lesson 9).

joints.py      names of the joints, their mirror images, and the limbs between them
targets.py     joints.json, pictures of one or two people, and the maps that a network learns
pairs.py       pictures of two people for training, placed differently in every batch
skeletons.py   from predicted maps to skeletons
scores.py      PCK, OKS, and kinds of errors
plotting.py    skeletons over pictures
"""
