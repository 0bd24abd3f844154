from service.slots import Slots


class Caller:
    """Starts calls while it has any to start and fewer than `most` run."""

    def __init__(self, slots: Slots, name: str, journal: list[str], calls: int, most: int) -> None:
        self.slots = slots
        self.name = name
        self.journal = journal
        self.calls = calls
        self.most = most

    def start(self) -> None:
        while self.calls:
            if self.slots.taken >= self.most:
                self.slots.wait(self.start)
                return
            self.calls -= 1
            self.slots.taken += 1
            self.journal.append(self.name)

    def end(self) -> None:
        self.slots.release(self.start)


def callers(calls: dict[str, int], most: int) -> tuple[list[Caller], list[str]]:
    slots, journal = Slots(), list[str]()
    made = [Caller(slots, name, journal, number, most) for name, number in calls.items()]
    for each in made:
        each.start()
    return made, journal


def test_a_free_slot_goes_to_who_has_waited_longest() -> None:
    (one, two, three), journal = callers({"a": 4, "b": 2, "c": 1}, most=1)
    for running in (one, two, three, one, two, one):
        running.end()
    assert journal == ["a", "b", "c", "a", "b", "a", "a"]


def test_one_alone_has_them_all() -> None:
    (one,), journal = callers({"a": 5}, most=2)
    for _ in range(3):
        one.end()
    assert journal == ["a"] * 5


def test_who_has_left_is_not_told() -> None:
    (one, two, _), journal = callers({"a": 2, "b": 1, "c": 1}, most=1)
    one.slots.leave(two.start)
    one.end()
    assert journal == ["a", "c"]


def test_no_slot_stays_free_while_somebody_waits() -> None:
    (one, two, three), journal = callers({"a": 1, "b": 3, "c": 3}, most=1)
    for each in (one, two, three):
        each.most = 4  # more may run at a time than before
    one.end()
    assert one.slots.taken == 4
    assert sorted(journal) == ["a", "b", "b", "b", "c"]


def test_who_starts_nothing_leaves_the_slot_to_the_next() -> None:
    (one, two, _), journal = callers({"a": 1, "b": 1, "c": 1}, most=1)
    two.calls = 0
    one.end()
    assert journal == ["a", "c"]
