"""The drawn data sets: images made by rule, in the very folders of the real ones."""
