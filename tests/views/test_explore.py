"""What the explorer shows is what the model, the search and the aggregation give."""

import shutil

import exports
import numpy as np
import pytest
from datasets import write_features

from tools.common.errors import UserError
from tools.common.ragged import ragged
from tools.retrieval.aggregate import diversify, merge
from tools.retrieval.selection import Filters
from tools.serving import exporter
from tools.training.settings import load_settings
from tools.views.explore import Explorer, Question, read_users

HISTORY = [3, 14, 15, 9, 2, 6, 5]  # one more than the model takes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore")
    exports.make_two(folder)
    return folder


@pytest.fixture(scope="module", params=["out", "other"])
def explorer(request, folder):
    return Explorer(folder=folder / request.param / "export")


def all_of(explorer):
    """The rows of all interests."""
    return tuple(range(explorer.interest_num))


def of(explorer, items):
    return [explorer.titles[item] for item in items if item]


def test_all_interests_without_variety_give_the_list_of_tools_predict(explorer):
    question = Question(HISTORY, all_of(explorer), 0.0, 8, profile={"age": ["3"]})
    answer = explorer.answer(question)
    found = explorer.predictor.recommend([HISTORY], 8, [{"age": ["3"]}])
    assert [one.title for one in answer.items] == of(explorer, found.items[0])
    np.testing.assert_array_equal([one.score for one in answer.items], found.scores[0])
    assert [one.interest for one in answer.items] == found.interest[0].tolist()
    assert [one.plain for one in answer.items] == list(range(1, 9))
    assert answer.weight == 0
    assert explorer.answer(question._replace(profile={})).items != answer.items


def test_the_settings_are_those_of_the_aggregation(explorer):
    predictor, category = explorer.predictor, explorer.category
    seen = ragged([len(HISTORY)], np.array(HISTORY)) if predictor.filter_seen else None
    history = np.array([HISTORY[-predictor.maxlen :]]), np.array([predictor.maxlen])
    interests, live = predictor.embed(*history)
    items, scores = predictor.retriever.search(interests, live, 10 + predictor.maxlen * predictor.filter_seen)
    for used in ((0,), (1, 2), (0, 2), all_of(explorer)):
        pool = merge(items[:, used], scores[:, used], items.size, seen)
        for variety in (0.0, 0.05, 0.5):
            answer = explorer.answer(Question(HISTORY, used, variety, 10))
            expected = diversify(pool, 10, answer.weight, category)
            assert [one.title for one in answer.items] == of(explorer, expected.items[0])
            of_list = category[expected.items[0][expected.items[0] > 0]]
            same = np.triu(of_list[:, None] == of_list, 1).sum()
            assert answer.diversity == pytest.approx(1 - same / (len(of_list) * (len(of_list) - 1) / 2))
            names = [explorer.category_names[number] for number in of_list.tolist()]
            assert dict(answer.categories) == {name: names.count(name) for name in names}
            plain = of(explorer, diversify(pool, 10, 0, category).items[0])
            ranks = [plain.index(one.title) + 1 if one.title in plain else None for one in answer.items]
            assert [one.plain for one in answer.items] == ranks
    assert answer.weight > 0


def test_lambda_is_a_share_of_the_range_of_what_may_be_listed(explorer):
    answers = [explorer.answer(Question(HISTORY, (0,), variety, exports.V)) for variety in (1.0, 0.25)]
    scores = [one.score for interest in answers[0].interests for one in interest.items]
    assert answers[0].weight == pytest.approx(max(scores) - min(scores))
    assert answers[1].weight == pytest.approx(answers[0].weight / 4)


def test_an_interest_shows_its_own_coupling_and_its_own_search(explorer):
    predictor = explorer.predictor
    answer = explorer.answer(Question(HISTORY, (0,), 0.0, 5, earlier=[20, 21], target=[1, 30]))
    shown = HISTORY[-predictor.maxlen :]
    interests, _, coupling = predictor.route(np.array([shown]), np.array([len(shown)]))
    vectors = predictor.retriever.index.reconstruct_n(0, exports.V - 1)
    for number, interest in enumerate(answer.interests):
        assert interest.live
        weights = coupling[0, number] / coupling[0, number].sum()
        assert dict(interest.behaviours) == pytest.approx(dict(zip(of(explorer, shown), weights, strict=True)))
        shares = [share for _, share in interest.behaviours]
        assert shares == sorted(shares, reverse=True)
        score = vectors @ interests[0, number]
        if predictor.filter_seen:
            score[np.array([*HISTORY, 20, 21]) - 1] = -np.inf
        best = np.argsort(-score, kind="stable")[:5]
        assert [one.title for one in interest.items] == of(explorer, best + 1)
        np.testing.assert_allclose([one.score for one in interest.items], score[best], rtol=1e-5)
        assert [one.hit for one in interest.items] == [item + 1 in (1, 30) for item in best]
    listed = {one.title for one in answer.items}
    assert {one.interest for one in answer.items} == {0}
    assert predictor.filter_seen == (not listed & set(of(explorer, [*HISTORY, 20, 21])))


def test_a_dead_interest_shows_nothing(folder, tmp_path):
    options = ["hyper_parameters.dynamic_interest_num=true", f"runner.model_save_path={tmp_path}"]
    config = load_settings(folder / "out/best/config.yaml", options)
    exports.save(config)
    exporter.export(config, tmp_path / "export")
    answer = Explorer(folder=tmp_path / "export").answer(Question([3, 4], (0, 1, 2, 3), 0.1, 5))  # K'_u = 1
    assert [one.live for one in answer.interests] == [True, False, False, False]
    assert [bool(one.items or one.behaviours) for one in answer.interests] == [True, False, False, False]


def test_without_categories_there_is_a_list_and_no_variety(folder, tmp_path):
    config = load_settings(folder / "out/best/config.yaml")
    (folder / "data/item_category.npy").rename(tmp_path / "away.npy")
    exporter.export(config, tmp_path / "export")
    (tmp_path / "away.npy").rename(folder / "data/item_category.npy")
    answer = Explorer(folder=tmp_path / "export").answer(Question(HISTORY, (0, 1, 2, 3), 0.5, 5))
    assert (answer.weight, answer.categories, len(answer.items)) == (0.0, [], 5)
    assert np.isnan(answer.diversity)


def test_users_are_those_of_the_split(folder, explorer):
    users = read_users(folder / "data/test", [explorer])
    assert [one.name for one in users]
    rows = (folder / "data/test/interactions.csv").read_text().split()
    names = {line.split(",")[0]: line.split(",")[1] for line in (folder / "data/user_map.csv").read_text().split()[1:]}
    for user in users:
        items = [int(row.split(",")[1]) for row in rows if names[row.split(",")[0]] == user.name]
        assert user.history == items[: int(0.8 * len(items))]
        assert user.target == items[int(0.8 * len(items)) :]
        assert user.profile == {"age": [str(int(user.name[1:]) % 7)]}


def test_a_user_without_a_row_of_attributes_has_none(folder, explorer, tmp_path):
    data = shutil.copytree(folder / "data", tmp_path / "data")
    write_features(data, "user", age=[["1"]])  # the first user's
    known = [user.profile == {"age": ["1"]} for user in read_users(data / "test", [explorer]) if user.profile["age"]]
    assert known in ([], [True])


def test_users_of_another_data_set_are_refused(folder, explorer, tmp_path):
    lines = (folder / "data/item_map.csv").read_text().replace("\n3,", "\n3,other")
    (tmp_path / "item_map.csv").write_text(lines)
    (tmp_path / "test").mkdir()
    (tmp_path / "test/interactions.csv").write_text("0,1,0\n")
    with pytest.raises(UserError, match="an id means another item there; give the data set that it was"):
        read_users(tmp_path / "test", [explorer])


def test_only_what_the_filters_and_the_chosen_categories_let_pass_is_shown(folder):
    filters = Filters(exclude=("i1", "i4"))
    explorer = Explorer(folder=folder / "out/export", filters=filters)
    names, question = explorer.predictor.names, Question(HISTORY, all_of(explorer), 0.0, 30, category=["c1"])
    answer = explorer.answer(question)
    passing = {item for item, name in names.items() if int(name[1:]) % 3 == 1 and name not in filters.exclude}
    assert {one.title for one in answer.items} == set(of(explorer, passing))
    assert all({one.title for one in each.items} <= set(of(explorer, passing)) for each in answer.interests)
    assert {one.category for one in answer.items} == {"c1"}
    everything = explorer.answer(question._replace(category=[]))
    assert len(everything.items) == 28
    assert len(explorer.answer(question._replace(category=["c1", "c2", "c0"])).items) == 28


def test_what_is_left_out_is_counted_and_what_scores_high_enough_named(explorer):
    question = Question(HISTORY, (1,), 0.0, 5, earlier=[20, 21])
    answer = explorer.answer(question)
    found = [{one.item for one in interest.items} for interest in answer.interests]
    assert answer.retrieved == len(found[1]) == 5
    assert answer.unread == len(HISTORY) + 2 - explorer.predictor.maxlen
    assert explorer.answer(question._replace(history=HISTORY[:2])).unread == 2  # those from before the history
    told = {one.why: one for one in answer.left_out}
    off = set().union(*found) - found[1]
    named = told["found only by interests that are switched off"]
    assert named.number == len(off)
    score = {
        item: max(one.score for each in answer.interests for one in each.items if one.item == item) for item in off
    }
    listed = sorted([*score.values(), *(one.score for one in answer.items)], reverse=True)[:5]
    assert named.items == sorted((item for item in off if score[item] in listed), key=lambda item: -score[item])
    seen = told.get("already in the history")
    assert (seen is not None) == explorer.predictor.filter_seen
    if seen:
        everything = explorer.answer(question._replace(top_n=exports.V))
        assert seen.number == len({*HISTORY, 20, 21})
        assert set(seen.items) <= {*HISTORY, 20, 21}
        assert len(everything.items) == exports.V - 1 - seen.number
    narrow = {one.why: one.number for one in explorer.answer(question._replace(category=["c1"])).left_out}
    assert narrow["not of the chosen categories"] == 20


def test_with_all_interests_off_the_list_is_empty_and_says_why(explorer):
    answer = explorer.answer(Question(HISTORY, (), 0.1, 5))
    assert (answer.items, answer.retrieved) == ([], 0)
    (off,) = [one for one in answer.left_out if one.why.endswith("switched off")]
    assert len(off.items) == 5
    assert off.number == len({one.item for interest in answer.interests for one in interest.items})


def test_what_the_filters_of_the_command_leave_out_is_told(folder):
    explorer = Explorer(folder=folder / "out/export", filters=Filters(exclude=("i1", "i4")))
    told = [(one.number, one.why) for one in explorer.answer(Question(HISTORY, (0, 1, 2, 3), 0.0, 5)).left_out]
    assert (2, "not let pass by --exclude, --allow or --category") in told
