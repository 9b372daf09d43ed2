"""What the answers to several tasks use."""


def changed(answer, change):
    """The answer, with its result passed through `change`, by its parts if it has several."""

    def wrong(*arguments, **options):
        result = answer(*arguments, **options)
        return change(*result) if isinstance(result, tuple) else change(result)

    return wrong


def sequence(name):
    return "_".join(name.split("_")[:2])
