"""Joints of people (lesson 6).

`joints` names them; `targets` makes what a network learns; `skeletons` reads what it predicts;
`scores` has PCK; `plotting` draws skeletons.
"""
