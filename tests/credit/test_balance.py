import pytest

from counterpoise.credit import RULES, SignWeights, lacking_sign, make_controller, make_rule, sign_weights, two_balances

NEEDED = {"passk": {"k": 2}}
CHANGING = {
    "linear": {"steps": 4},
    "cosine": {"steps": 4},
    "exponential": {"steps": 4},
    "warmup_psr": {"steps": 4},
    "accuracy": {},
    "entropy_step": {},
}
OWN = [
    ("weighted_reinforce", {}, (0.1, 1.0), "credit.settings.lambda=1"),
    ("weighted_reinforce", {"lambda_": 0.0}, (0.0, 1.0), "credit.settings.lambda=1"),
    ("soft", {"lambda_": 2.0}, (2.0, 1.0), "credit.settings.lambda=1"),
    ("hinge", {"lambda_": 0.5}, (0.5, 1.0), "credit.settings.lambda=1 credit.settings.minus=1"),
    ("hinge", {"minus": 0.0}, (1.0, 0.0), "credit.settings.lambda=1 credit.settings.minus=1"),
    ("hinge", {"threshold": "ema", "lambda_": 0.1}, (0.1, 1.0), "credit.settings.lambda=1 credit.settings.minus=1"),
    ("asymmetric", {"b": 0.25}, (0.75, 0.25), "credit.settings.b=0.5"),
]


@pytest.mark.parametrize("controller", sorted(CHANGING))
@pytest.mark.parametrize(("rule", "settings", "own", "way"), OWN)
def test_a_rule_and_a_controller_do_not_both_tilt_the_balance(rule, settings, own, way, controller):
    weights = sign_weights(make_rule(rule, **settings))
    assert (weights.plus, weights.minus) == own
    message = two_balances(rule, weights, controller, make_controller(controller, **CHANGING[controller]))
    assert message == (
        f"credit.controller={controller} weighs the two signs, and credit.rule={rule} multiplies weights of its own onto them "
        f"({own[0]:g} on what is pushed up, {own[1]:g} on what is pushed down); set the balance in one place: {way} leaves it to the "
        "controller; or set credit.controller=constant, which leaves it to the rule"
    )


def test_constant_weights_count_as_a_controller_where_they_differ():
    weights = sign_weights(make_rule("weighted_reinforce"))
    tilted = make_controller("constant", lambda_plus=0.5)
    assert two_balances("weighted_reinforce", weights, "constant", tilted) == (
        "credit.controller=constant weighs the two signs (lambda_plus = 0.5, lambda_minus = 1), and credit.rule=weighted_reinforce "
        "multiplies weights of its own onto them (0.1 on what is pushed up, 1 on what is pushed down); set the balance in one place: "
        "credit.settings.lambda=1 leaves it to the controller; or drop credit.controller_settings, which leaves it to the rule"
    )
    for scale in (1.0, 0.5):  # a scale, and no balance
        level = make_controller("constant", lambda_plus=scale, lambda_minus=scale)
        assert two_balances("weighted_reinforce", weights, "constant", level) is None


@pytest.mark.parametrize("controller", [*sorted(CHANGING), "constant", "share"])
@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("reinforce", {}),
        ("psr", {}),  # one sign: there is no balance
        ("nsr", {}),
        ("weighted_reinforce", {"lambda_": 1.0}),
        ("hinge", {"lambda_": 2.0, "minus": 2.0}),
        ("soft", {}),
        ("asymmetric", {}),
        ("grpo", {}),
        ("maxrl", {}),
    ],
)
def test_one_place_is_enough(rule, settings, controller):
    own = sign_weights(make_rule(rule, **settings))
    made = make_controller(controller, **{"constant": {"lambda_plus": 0.3}, "share": {}, **CHANGING}[controller])
    assert two_balances(rule, own, controller, made) is None


def test_share_divides_a_rules_own_weights_out():
    assert (
        two_balances(
            "weighted_reinforce", SignWeights(plus=0.1, neutral={"lambda": 1.0}), "share", make_controller("share")
        )
        is None
    )


@pytest.mark.parametrize("name", sorted(RULES.keys() - {"gdpo", "ppo"}))
def test_every_rule_has_sign_weights(name):
    own = sign_weights(make_rule(name, **NEEDED.get(name, {})))
    expected = {"psr": (1.0, 0.0), "nsr": (0.0, 1.0), "weighted_reinforce": (0.1, 1.0), "asymmetric": (0.5, 0.5)}
    assert (own.plus, own.minus) == expected.get(name, (1.0, 1.0))


@pytest.mark.parametrize(
    ("rule", "controller", "settings", "says"),
    [
        ("nsr", "share", {}, "credit.rule=nsr only pushes down here, and credit.controller=share would bring every credit to zero; set "),
        ("psr", "share", {}, "credit.rule=psr only pushes up here, and credit.controller=share would have no share to hold; set "),
        ("weighted_reinforce", "share", {}, None),
        ("nsr", "warmup_psr", {"steps": 4}, "the first steps would train nothing"),
        ("nsr", "warmup_psr", {"steps": 4, "share": 0.0}, None),
        ("psr", "warmup_psr", {"steps": 4}, None),
        ("nsr", "entropy_step", {}, "would do nothing"),
        ("psr", "entropy_step", {}, None),
        ("nsr", "constant", {"lambda_minus": 0.0}, "weighs pushes down 0, so that every credit would be zero"),
        ("psr", "constant", {"lambda_plus": 0.0}, "weighs pushes up 0"),
        ("nsr", "constant", {"lambda_plus": 0.0}, None),
        ("nsr", "linear", {"steps": 4}, None),
        ("nsr", "accuracy", {}, None),
        ("reinforce", "share", {}, None),
    ],
)  # fmt: skip
def test_a_controller_that_needs_both_signs_is_refused_where_a_rule_has_one(rule, controller, settings, says):
    own = sign_weights(make_rule(rule))
    said = lacking_sign(rule, own, controller, make_controller(controller, **settings))
    assert said is None if says is None else says in said


def test_a_weight_of_zero_makes_a_rule_of_one_sign():
    own = sign_weights(make_rule("weighted_reinforce", lambda_=0.0))
    assert "only pushes down here" in lacking_sign("weighted_reinforce", own, "share", make_controller("share"))
