import argparse
import math
import os
from pathlib import Path

import paddle
import pytest
from paths import ROOT

import infer
import trainer
from models import MODELS
from tools.common.errors import UserError
from tools.config.arguments import add_arguments
from tools.config.load import Config, constructor_options
from tools.config.schema import HyperParameters, Optimizer, Runner
from tools.training import runtime
from tools.training.settings import load_settings, tell_rows

HYPER = "hyper_parameters."


@pytest.fixture
def yaml_file(tmp_path):
    def write(text=""):
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def errors(yaml_file):
    """`errors("runner: …", "key=value", models=MODELS)`: the lines of the error, without the folder."""

    def call(text="", *overrides, models=None):
        path = yaml_file(text)
        with pytest.raises(UserError) as raised:
            load_settings(path, overrides, models)
        return [line.strip().replace(f"{path.parent}/", "") for line in str(raised.value).splitlines()]

    return call


def test_an_empty_file_gives_the_defaults(yaml_file):
    config = load_settings(yaml_file("hyper_parameters: {item_count: 9}"), models=MODELS)
    assert (config.runner.train_batch_size, config.hyper_parameters.maxlen) == (128, 20)
    assert config.hyper_parameters.optimizer == Optimizer(class_="Adam", learning_rate=1e-3)


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *sorted(ROOT.glob("benchmarks/configs/**/*.yaml"))], ids=str)
def test_our_own_configurations_load(path):
    config = load_settings(path, models=MODELS)
    assert config.hyper_parameters.item_count
    assert Path(os.path.normpath(config.runner.train_data_dir)).parents[1] == ROOT / "data"


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_recipe_on_each_data_set(name):
    for dataset in ("amazon-beauty", "amazon-sports", "amazon-apps"):
        path = ROOT / f"benchmarks/configs/{dataset}/paper/{name}.yaml"
        assert load_settings(path, models=MODELS).hyper_parameters.model == name


@pytest.mark.parametrize("owner", [Runner, Optimizer, HyperParameters])
def test_every_key_has_a_comment(owner):
    fields = [entry for name, entry in owner.__dataclass_fields__.items() if name != "optimizer"]
    assert all(len(entry.metadata["comment"].split()) > 1 for entry in fields)


def test_all_errors_at_once_with_file_and_line(errors):
    text = """\
runner:
  epoch: 3
  use_gpu: 1  # a comment
  top_n:
    - 20
    - 50
hyper_parameters:
  optimizer:
    class: Adm
    learning_rate: fast
  maxlen: 0
"""
    assert errors(text, "runner.sed=1", f"{HYPER}interest_num=99") == [
        "config.yaml:2: runner.epoch: unknown key; did you mean runner.epochs?",
        "config.yaml:3: runner.use_gpu: 1 is of type int; write true or false",
        "config.yaml:9: hyper_parameters.optimizer.class: 'Adm' is not one of Adam, SGD, Adagrad, Momentum, "
        "RowWiseAdagrad; did you mean Adam?",
        "config.yaml:10: hyper_parameters.optimizer.learning_rate: 'fast' is of type str; write a number",
        "config.yaml:11: hyper_parameters.maxlen: 0 is out of range; it must be from 1 to 1000000",
        "-o runner.sed=1: runner.sed: unknown key; did you mean runner.seed?",
        f"-o {HYPER}interest_num=99: {HYPER}interest_num: 99 is out of range; it must be from 1 to 64",
    ]


@pytest.mark.parametrize(
    "override, key, value",
    [
        ("runner.model_save_path=a=b=c", "runner.model_save_path", "a=b=c"),
        ("runner.model_save_path==", "runner.model_save_path", "="),
        ("runner.model_save_path=[a", "runner.model_save_path", "[a"),
        ("runner.model_save_path=out put/\u732b", "runner.model_save_path", "out put/\u732b"),
        ("runner.use_gpu=true", "runner.use_gpu", True),
        ("runner.seed= 7", "runner.seed", 7),
        ("runner.top_n=[5, 10, 50]", "runner.top_n", [5, 10, 50]),
        ("runner.top_n=50", "runner.top_n", [50]),
        ("runner.infer_start_epoch=null", "runner.infer_start_epoch", None),
        ("runner.infer_load_path=null", "runner.infer_load_path", None),
        (f"{HYPER}optimizer.learning_rate=1e-3", f"{HYPER}optimizer.learning_rate", 0.001),
        (f"{HYPER}optimizer.learning_rate=1", f"{HYPER}optimizer.learning_rate", 1.0),
        (f"{HYPER}pow_p=.inf", f"{HYPER}pow_p", math.inf),
        (f"{HYPER}pow_p=inf", f"{HYPER}pow_p", math.inf),
        (f"{HYPER}pow_p=0", f"{HYPER}pow_p", 0.0),
        (f"{HYPER}optimizer.class=SGD", f"{HYPER}optimizer.class", "SGD"),
        (f"{HYPER}hidden_size=64", f"{HYPER}hidden_size", 64),
    ],
)
def test_overrides(yaml_file, override, key, value):
    config = load_settings(yaml_file(), [override])
    assert config.get(key) == config.flat()[key] == value
    assert type(config.get(key)) is type(value)


def test_an_override_wins_over_the_file_and_the_last_one_over_all(yaml_file):
    path = yaml_file("runner: {seed: 1, epochs: 2}\n")
    runner = load_settings(path, ["runner.seed=3", "runner.seed=4"]).runner
    assert (runner.seed, runner.epochs) == (4, 2)


def test_several_o_on_the_command_line_add_up():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["-m", "a.yaml", "-o", "runner.seed=1", "runner.epochs=2", "-o", "runner.use_gpu=true"])
    assert args.opt == ["runner.seed=1", "runner.epochs=2", "runner.use_gpu=true"]
    assert args.config_yaml == "a.yaml"


@pytest.mark.parametrize(
    "override, said",
    [
        ("runner.use_gpu=1", "write true or false"),
        ("runner.use_gpu=yess", "write true or false"),
        ("runner.seed=true", "write a whole number"),
        ("runner.seed=1.0", "write a whole number"),
        ("runner.seed=-1", "from 0 to 2147483647"),
        ("runner.seed=2147483648", "from 0 to 2147483647"),
        ("runner.seed=null", "write a whole number"),
        ("runner.seed=", "write a whole number"),
        ("runner.epochs=0", "at least 1"),
        ("runner.train_batch_size=0", "from 1 to 1000000"),
        ("runner.num_workers=-1", "from 0 to 64"),
        ("runner.top_n=[]", "at least one value"),
        ("runner.top_n=[20, 0]", "from 1 to 2000"),
        ("runner.top_n=[20, x]", "write a whole number"),
        ("runner.model_save_path=5", "write a text"),
        ("runner.model_save_path=[a]", "write a text"),
        ("runner.seed=[1]", "write a whole number"),
        (f"{HYPER}item_count=1", "at least 2"),
        (f"{HYPER}pow_p=.nan", "at least 0"),
        (f"{HYPER}pow_p=-1", "at least 0"),
        (f"{HYPER}temperature=0", "at least 1e-06"),
        (f"{HYPER}squash_power=1.1", "from 0 to 1"),
        (f"{HYPER}optimizer.learning_rate=true", "write a number"),
        (f"{HYPER}optimizer.decay=cosin", "did you mean cosine?"),
        (f"{HYPER}routing_softmax=item", "did you mean items?"),
        (f"{HYPER}hidden_size=32", "differs from embedding_dim 64"),
        (f"{HYPER}optimizer=SGD", "unknown key"),
        ("runner.best_metric=recall@10", "choose one of recall@20, recall@50"),
        ("runner.best_metric=mrr@50", "choose one of recall@20"),
        ("runner.best_metric=recall", "choose one of recall@20"),
        (f"{HYPER}optimizer.decay=exponential", "decay_rate"),
        ("runner.infer_end_epoch=0", "exclusive"),
        ("runner.seed", "not of the form key=value"),
        ("seed=1", "did you mean runner.seed?"),
        ("runner.trainbatchsize=1", "did you mean runner.train_batch_size?"),
        ("nothing.like.it=1", "unknown key"),
    ],
)
def test_impossible_values(errors, override, said):
    (line,) = errors("", override)
    assert said in line
    assert override in line or "decay" in override  # decay alone is possible, decay_rate is what is missing


def test_best_metric_must_be_among_the_lengths_given(errors):
    assert "choose one of recall@5" in errors("runner: {top_n: [5]}")[0]


def test_end_epoch_is_exclusive(errors):
    assert "config.yaml:2: runner.infer_end_epoch" in errors("runner:\n {infer_start_epoch: 3, infer_end_epoch: 3}")[0]


@pytest.mark.parametrize(
    "text, said",
    [
        ("- a\n", "config.yaml:1: not a mapping"),
        ("runner:\n  seed: [1\n", "config.yaml:3: not valid yaml"),
        ("runner:\n\tseed: 1\n", "config.yaml:2: not valid yaml"),
        ("runner:\n  seed: !!python/object:os.x 1\n", "config.yaml:2: not valid yaml"),
        ("seed: 1\n", "config.yaml:1: seed: unknown key; did you mean runner.seed?"),
        ("runner:\n  model_save_path: 2020-13-45\n", "config.yaml:2: "),
        (b"\xff\xfe\x80", "config.yaml:1: byte 0xff"),
    ],
)
def test_files_that_are_no_configuration(errors, text, said):
    assert errors(text)[0].startswith(said)


def test_a_text_that_looks_like_a_wrong_date_is_a_text(yaml_file):
    assert load_settings(yaml_file(), ["runner.model_save_path=2020-13-45"]).runner.model_save_path == "2020-13-45"


def test_a_byte_order_mark_is_no_key(yaml_file):
    assert load_settings(yaml_file("\ufeffrunner: {seed: 5}\n")).runner.seed == 5


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.yaml: cannot be read"):
        load_settings(tmp_path / "absent.yaml")


def test_data_is_relative_to_the_yaml_and_results_to_the_working_folder(yaml_file, monkeypatch, tmp_path):
    path = yaml_file("runner: {train_data_dir: d/train, valid_data_dir: /abs/valid, model_save_path: out}\n")
    monkeypatch.chdir(tmp_path.parent)
    for given in (path, path.relative_to(tmp_path.parent)):
        runner = load_settings(given).runner
        assert Path(runner.train_data_dir) == tmp_path / "d" / "train"
        assert Path(runner.valid_data_dir) == Path("/abs/valid")
        assert Path(runner.test_data_dir) == tmp_path / "data" / "test"
        assert runner.model_save_path == "out"


@pytest.mark.parametrize(
    "model, option",
    [
        ("comirec_sa", "routing_times=5"),
        ("comirec_sa", "squash_power=0.5"),
        ("comirec_sa", "relu_layer=true"),
        ("comirec_dr", "routing_logits=fixed"),
        ("shared_capsule", "routing_logits_std=0.5"),
        ("youtube_dnn", "interest_num=2"),
        ("gru4rec", "pow_p=1"),
        ("gru4rec", "interest_spread_weight=0.1"),
        ("mind", "routing_regularization=1"),
        ("remi", "re4_negatives=1"),
        ("mind", "interests=mind"),
        ("item_knn", "embedding_dim=8"),
        ("wals", "interest_num=2"),
        ("maxmf", "negatives=full"),
        ("most_pop", "optimizer.learning_rate=1"),
        ("wals", "targets=2"),
        ("item_knn", "item_features=[brand]"),
    ],
)
def test_an_option_of_another_model_is_refused(errors, yaml_file, model, option):
    name = option.split("=")[0]
    said = errors(f"hyper_parameters:\n  model: {model}\n  item_count: 9\n", HYPER + option, models=MODELS)
    assert said == [f"-o {HYPER}{option}: {HYPER}{name}: does not apply to the model {model}; remove it"]
    known = ("optimizer", "targets")  # every gradient model has them
    other = next(one for one in MODELS if name in constructor_options(MODELS[one]) or name.startswith(known))
    assert load_settings(yaml_file(), [HYPER + option, HYPER + "item_count=9", f"{HYPER}model={other}"], MODELS)


def test_a_checkpoint_s_configuration_serves_as_one(yaml_file, tmp_path):
    """It holds every key, also those of other models, at their defaults."""
    options = [HYPER + "model=comirec_sa", HYPER + "item_count=9"]
    load_settings(yaml_file(), options, MODELS).save(tmp_path / "saved.yaml")
    assert load_settings(tmp_path / "saved.yaml", (), MODELS).hyper_parameters.model == "comirec_sa"


def test_an_item_count_that_is_left_out_is_the_data_sets(yaml_file, errors, tmp_path, caplog):
    text = "runner: {train_data_dir: data/train}"
    (line,) = errors(text, models=MODELS)
    assert "data/train: no data here; make it with: python -m tools.preprocess" in line
    (tmp_path / "data/train").mkdir(parents=True)
    where = tmp_path / "data/meta.yaml"
    for meta in ("", "item_count: 77.5\n", "item_count: 1\n"):
        where.write_text(meta or "protocol: comirec\n")
        (line,) = errors(text, models=MODELS)
        told = f"missing, and {where} doesn't say it; set it to the largest item id + 1"
        assert line.endswith(f"hyper_parameters.item_count: {told}".replace(f"{tmp_path}/", ""))
    where.write_text("item_count: 77\n")
    assert load_settings(yaml_file(text), (), MODELS).hyper_parameters.item_count == 77
    assert load_settings(yaml_file(text), [HYPER + "item_count=9"], MODELS).hyper_parameters.item_count == 9
    for rows in (9, 77):
        tell_rows(load_settings(yaml_file(text), [f"{HYPER}item_count={rows}"], MODELS))
    assert not caplog.records
    tell_rows(settings := load_settings(yaml_file(text), [HYPER + "item_count=80"], MODELS))
    assert settings.hyper_parameters.item_count == 80
    assert "item_count: 3 rows are of no item, and lists may hold them; leave the key out" in caplog.text


def test_keys_values_and_what_does_not_fit_together_are_reported_at_once(errors):
    overrides = ["runner.epoch=3", f"{HYPER}maxlen=0", f"{HYPER}item_count=9", f"{HYPER}model=mnd", "runner.top_n=0"]
    said = errors("", *overrides, "runner.best_metric=recall@7", models=MODELS)
    assert [line.split(": ")[1] for line in said] == ["runner.epoch", f"{HYPER}maxlen", "runner.top_n", f"{HYPER}model"]
    assert len(errors("", *overrides[:4], "runner.best_metric=recall@7", models=MODELS)) == 4


def test_a_key_given_twice_is_refused(errors):
    (line,) = errors("runner:\n  seed: 1\n  seed: 2\n")
    assert line == "config.yaml:3: runner.seed: given before, at config.yaml:2; keep one of them"


@pytest.mark.parametrize("value", [".inf", ".nan", "9" * 400])
def test_a_float_is_finite(errors, value):
    (line,) = errors("", f"{HYPER}optimizer.learning_rate={value}")
    assert "learning_rate" in line


def test_an_unknown_model_names_the_nearest(errors):
    (line,) = errors("hyper_parameters:\n  model: comirec_as\n  item_count: 9\n", models=MODELS)
    assert line.startswith("config.yaml:2: hyper_parameters.model: 'comirec_as' is not one of mind, ")
    assert line.endswith("did you mean comirec_sa?")


def test_saved_and_loaded_again_is_the_same(yaml_file, tmp_path):
    overrides = [
        "runner.top_n=[5, 50]",
        "runner.model_save_path='on'",
        f"{HYPER}temperature=1e-5",
        f"{HYPER}init_std=0.1",
    ]
    config = load_settings(yaml_file("runner: {seed: 3}\nhyper_parameters: {optimizer: {class: SGD}}\n"), overrides)
    (tmp_path / "elsewhere").mkdir()
    config.save(tmp_path / "elsewhere" / "saved.yaml")
    assert load_settings(tmp_path / "elsewhere" / "saved.yaml") == config
    assert config != Config()


@pytest.mark.parametrize("main", [trainer.main, infer.main], ids=["trainer", "infer"])
@pytest.mark.parametrize("override", ["runner.epoch=1", "runner.use_gpu=1", f"{HYPER}item_count=1", "a=b=c"])
def test_both_commands_check_their_overrides(main, override, write_dataset, yaml_file, capsys):
    write_dataset({f"u{user}": [f"i{k}" for k in range(9)] for user in range(20)})
    path = yaml_file("hyper_parameters: {item_count: 10, embedding_dim: 4}\n")
    with pytest.raises(SystemExit) as ended:
        main(["-m", str(path), "-o", override])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.skipif(paddle.device.cuda.device_count() > 0, reason="there is a GPU")
def test_use_gpu_without_a_gpu_says_what_is_missing():
    missing = "Paddle sees no GPU" if paddle.is_compiled_with_cuda() else "this Paddle has no CUDA"
    with pytest.raises(UserError, match=f"runner.use_gpu: true, but {missing}.* or set false"):
        runtime.prepare(use_gpu=True, seed=1)


def test_a_saved_configuration_may_have_defaults_of_another_version(tmp_path):
    path = tmp_path / "config.yaml"
    Config(Runner(), HyperParameters(model="spectral", item_count=10)).save(path)
    text = path.read_text()
    assert "mix_epochs: 5" in text
    path.write_text(text.replace("mix_epochs: 5", "mix_epochs: 8"))
    assert load_settings(path, models=MODELS).hyper_parameters.mix_epochs == 8
    with pytest.raises(UserError, match=r"^-o .*mix_epochs: does not apply to the model spectral; remove it$"):
        load_settings(path, [HYPER + "mix_epochs=8"], MODELS)
