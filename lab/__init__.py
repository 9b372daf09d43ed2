"""The lab assignment: the checks that its notebook calls; tools to hand it out and to grade it."""
