"""Nobody attacks: what the victim's watch calls usual is what the service does."""

from tests.live.attacks.victim import Victim


def test_service_gives_its_usual_answers_where_nobody_attacks(victim: Victim) -> None:
    victim.watch()
