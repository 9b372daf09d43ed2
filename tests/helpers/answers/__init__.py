"""Answers to the tasks of the lab, a module a task, with which its checks are tested.

Each module has RIGHT, a list of functions, and WRONG, pairs of a hint's name and a function; judge
has one list of mistakes for each of its two checks. `common` changes the result of an answer.
"""
