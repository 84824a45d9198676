"""`counterpoise explain` on a tiny random policy: what it prints, what it leaves alone, and what it refuses."""

import hashlib

import pytest

SMALL = (
    "--task",
    "countdown",
    "--problems",
    "3",
    "--rollouts",
    "4",
    "tasks.settings.count=2",
    "tasks.settings.largest=6",
    "rollout.max_tokens=6",
)


def test_json_holds_every_token_of_a_response_of_mine_under_every_rule(answer, tiny_policy):
    asked = ("--question", "2,3=5", "--response", "2+3", "--learning-rate", "0.01", "--seed", "5")
    found = answer("explain", tiny_policy, *SMALL, *asked, "--rule", "psr", "--rule", "nsr")
    assert found["given"] is True
    assert (found["verdict"], found["answer"], found["gold"]) == ("correct", "2+3", "2,3=5")
    assert [token["text"] for token in found["tokens"]] == ["2", "+", "3", "<eos>"]
    assert (found["problems"], len(found["group"]), found["position"]) == (3, 4, 0)
    assert found["settings"]["learning_rate"] == 0.01
    psr, nsr = found["rules"]
    assert psr["group_advantages"][0] == psr["advantage"] == 1.0
    assert nsr["advantage"] == 0.0
    for token in found["tokens"]:
        up, down = token["moves"]
        # logit gradient of the chosen token: 1 - pi, and pi (1 - pi)
        chosen = next(v for v in up["alternatives"] if v["chosen"])
        assert chosen["gradient"] == pytest.approx(1 - token["probability"])
        assert chosen["gradient_probability"] == pytest.approx(token["probability"] * (1 - token["probability"]))
        assert up["realised"] > token["probability"]
        assert down["credit"] == 0.0
    # A random policy of 54 tokens gets nothing right by itself: the right response is mine alone.
    assert sum(member["verdict"] == "correct" for member in found["group"]) == 1


def test_a_second_call_says_the_same_and_the_model_is_untouched(command, tiny_policy):
    def digest():
        return hashlib.sha256((tiny_policy / "model.safetensors").read_bytes()).hexdigest()

    before = digest()
    arguments = ("explain", tiny_policy, *SMALL, "--json", "--rule", "nsr", "--seed", "3")
    assert command(*arguments).stdout == command(*arguments).stdout
    assert digest() == before


def test_a_rule_without_credit_takes_no_step(answer, tiny_policy):
    found = answer("explain", tiny_policy, *SMALL, "--rule", "psr")
    (psr,) = found["rules"]
    assert psr["group_advantages"] == [0.0] * 4  # nothing right was drawn
    assert (psr["fit"], psr["gradient_norm"]) == (None, None)
    for token in found["tokens"]:
        assert token["moves"][0]["realised"] == token["probability"]
        assert token["moves"][0]["predicted"] is None


def test_the_terminal_shows_tokens_sentences_rules_and_quadrants(command, tiny_policy, tmp_path):
    page = tmp_path / "page.html"
    result = command("explain", tiny_policy, *SMALL, "--question", "2,3=5", "--response", "3-2", "--html", page)
    assert result.exit_code == 0
    for words in (
        "3⁻-⁻2⁻<eos>⁻",
        "wrong  (judged: '3-2'; the response you gave)",
        "under nsr",
        "nsr pushes it down with credit -1.00",
        "Really, after one step",
        "what each rule's step did to this group",
        "nsr: one step on 12 rollouts of 3 problems",
    ):
        assert words in result.stdout
    assert f"page: {page}" in result.stderr
    assert "under grpo" in page.read_text()


def test_token_weights_are_named_behind_the_rule(answer, tiny_policy):
    asked = ("--question", "2,3=5", "--response", "2-3", "--learning-rate", "0.01")
    names = ("nsr", "nsr+unlikelihood", "nsr+entropy_safe", "nsr+none")
    found = answer("explain", tiny_policy, *SMALL, *asked, *(f"--rule={name}" for name in names))
    assert [rule["rule"] for rule in found["rules"]] == list(names)
    length = len(found["tokens"])
    plain, unlikelihood, safe, none = ([token["moves"][i]["credit"] for token in found["tokens"]] for i in range(4))
    assert plain == none == pytest.approx([-1.0] * length)
    odds = [token["probability"] / (1 - token["probability"]) for token in found["tokens"]]
    # the unit is the mean size over the batch's tokens, so only the proportions within a response are known
    assert [c / unlikelihood[0] for c in unlikelihood] == pytest.approx([o / odds[0] for o in odds], rel=1e-3)
    assert (
        len({round(c, 6) for c in safe if c}) <= 1
    )  # kept or left out, and none of an untrained policy's need be kept
    assert [token["moves"][0]["realised"] for token in found["tokens"]] == [
        token["moves"][3]["realised"] for token in found["tokens"]
    ]


@pytest.fixture
def a_run(command, run_file):
    assert command("train", run_file(credit={"rule": "nsr"}), "learner.steps=2").exit_code == 0
    return "runs/run"


def test_a_run_is_explained_at_any_checkpoint_with_its_own_settings(answer, refused, a_run):
    newest = answer("explain", a_run, "--problems", 2, "--rule", "nsr")
    named = answer("explain", f"{a_run}@2", "--problems", 2, "--rule", "nsr")
    start = answer("explain", f"{a_run}@0", "--problems", 2, "--rule", "nsr")
    assert newest == named
    assert newest["model"] == f"{a_run} at step 2"
    assert newest["settings"]["learning_rate"] == 1e-3
    assert start["model"] == f"{a_run} before its first step"
    assert start["tokens"] != newest["tokens"]
    refused("explain", f"{a_run}@7", says="step", code=1)
    refused("explain", a_run, "--task", "arithmetic", says=f"{a_run} is a run and has its own task; leave --task away")


def test_a_run_whose_rule_has_settings_of_its_own_is_explained_by_another_rule(command, answer, refused, run_file):
    settings = {"credit": {"rule": "ppo", "settings": {"lam": 0.9}}, "critic": {"learning_rate": 1e-3}}
    assert command("train", run_file(**settings), "learner.steps=1").exit_code == 0
    found = answer("explain", "runs/run", "--problems", 2, "--rule", "nsr")
    assert found["model"] == "runs/run at step 1"
    refused(
        "explain", "runs/run", "--rule", "ppo", says="explain cannot show ppo: its credit needs the values of a critic"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--rule", "nrs"), "unknown credit.rule 'nrs'; did you mean 'nsr'?"),
        (("--rule", "nsr+unlikly"), "unknown credit.token_weights 'unlikly'"),
        (("--rule", "nsr+"), "unknown credit.token_weights ''"),
        (("--rule", "nsr", "--rule", "nsr"), "rules are nsr, nsr; name each rule once, and one at least"),
        (
            ("--problem", "a", "--question", "2,3=5"),
            "--problem and --question name two problems; leave one of them away",
        ),
        (("--gold", "5"), "--gold is the answer to a --question; a problem of the task has its own"),
        (("--response", "2+3"), "--response answers no problem; add --problem ID or --question TEXT"),
        (("--pick", "best"), "--pick is 'best'; it must be wrong, right or the number of a rollout, from 0"),
        (("--problem", "zzz"), "no problem has an id that begins with 'zzz', e.g. "),
        (("--problem", ""), "have ids that begin with ''"),
        (("credit.settings.lamda=1", "--rule", "weighted_reinforce"), "lamda"),
    ],
)
def test_mistakes_found_before_the_model_is_read(refused, no_model, tiny_policy, arguments, says):
    refused("explain", tiny_policy, *SMALL, *arguments, says=says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--response", ""), "--response '' has no tokens; write the text of a response"),
        (("--response", "2+é"), "the model's tokenizer cannot spell --response '2+é'"),
        (
            ("--response", "2+3" * 200),
            "--response has 601 tokens with its end and the prompt 6; the model reads 512; shorten it",
        ),
        (("--pick", "4"), "--pick 4: the group has rollouts 0 to 3; draw more with --rollouts"),
    ],
)
def test_mistakes_in_the_response(refused, tiny_policy, arguments, says):
    refused("explain", tiny_policy, *SMALL, "--question", "2,3=5", *arguments, says=says)


def test_a_question_that_the_verifier_cannot_read(refused, tiny_policy):
    refused(
        "explain",
        tiny_policy,
        *SMALL,
        "verification.max_unscored=0.9",
        "--question",
        "25",
        "--response",
        "3",
        says="the response you gave could not be judged (",
    )


def test_a_question_of_a_task_whose_golds_are_not_its_questions_needs_one(refused, no_model, tiny_policy):
    arguments = ("explain", tiny_policy, "--task", "arithmetic", "--question", "1+1")
    refused(*arguments, says="--question needs its answer, or nobody knows which responses are right: add --gold TEXT")


def test_a_target_that_is_nothing(refused, tmp_path, tiny_policy):
    refused(
        "explain",
        tmp_path,
        "--task",
        "countdown",
        says="is neither a run (no config.toml) nor a model (no config.json)",
    )
    refused("explain", f"{tmp_path}@3", says="@ chooses a step of a run")
    refused("explain", tiny_policy, says="is a model, so a task is needed: --task countdown")
    refused(
        "explain",
        tiny_policy,
        *SMALL,
        "loss.kl=0.1",
        "loss.kl_evidence=8",
        says="add loss.kl_evidence=0 loss.kl_enough=1",
    )


def test_right_responses_are_shown_by_kind_where_the_task_has_kinds(command, answer):
    small = ("lab:paths", "--task", "paths", "--rule", "psr", "--problems", "6", "--rollouts", "4")
    (step,) = answer("explain", *small)["rules"]
    kinds = step["kinds"]
    assert kinds and sum(kind["share"] for kind in kinds) == pytest.approx(1.0)
    assert all(kind["shared_tokens"] == 0.0 for kind in kinds)  # each procedure begins with its own letter
    assert all(kind["change"]["value"] == pytest.approx(kind["own_change"]) for kind in kinds)
    result = command("explain", *small)
    assert "psr: what the step on the batch did to right responses of each kind" in result.stdout
    assert "Right responses share 0.0 of" in result.stdout


def test_a_question_of_the_users_is_not_asked_for_its_kind(answer):
    small = ("lab:paths", "--task", "paths", "--rule", "psr", "--problems", "2", "--rollouts", "2")
    asked = ("--question", "13,17,29", "--response", "k:29+29=58", "--gold", "k:29+29=58")
    assert answer("explain", *small, *asked)["rules"][0]["kinds"] == []
