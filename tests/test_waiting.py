from scheduling.waiting import FAR_SECONDS, Distance

NEAR, AWAY = FAR_SECONDS / 2, FAR_SECONDS * 2


def learned(*answers):
    distance = Distance()
    for seconds in answers:
        distance.learn(seconds)
    return distance


def test_a_database_is_near_until_a_hundred_answers_were_slow():
    assert not learned(*[AWAY] * 99).is_far
    assert learned(*[AWAY] * 100).is_far


def test_one_quick_answer_shows_that_it_is_near():
    assert not learned(*[AWAY] * 99, NEAR).is_far
    assert not learned(NEAR, *[AWAY] * 99).is_far


def test_a_database_that_moves_is_noticed():
    assert learned(*[NEAR] * 100, *[AWAY] * 100).is_far
    assert not learned(*[AWAY] * 100, *[NEAR] * 100).is_far
