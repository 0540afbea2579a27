from services.cli.supervisor import Backoff


class TestBackoff:
    def test_pauses_double_up_to_a_limit(self) -> None:
        backoff = Backoff(first=0.2, most=10.0, forgiven_after=30.0)
        pauses: list[float] = []
        for _ in range(8):
            pauses.append(backoff.next(pauses[-1] if pauses else None, lived=1.0))
        assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]

    def test_a_long_life_makes_up_for_earlier_deaths(self) -> None:
        assert Backoff(first=0.2, most=10.0, forgiven_after=30.0).next(10.0, lived=30.0) == 0.2
