"""Several processes train what one would; real ones, started by Paddle's own launcher where it matters."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import lives
import numpy as np
import paddle
import ports
import pytest
from datasets import prepare_users, write_features
from paths import ROOT

from tools.common import unpickle
from tools.preprocess import main
from tools.training import resume

pytestmark = pytest.mark.extras
WORKER = ROOT / "tests/rank_worker.py"
CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_batch_size: 32
  epochs: 1
  eval_interval: 10
  top_n: 10
  best_metric: recall@10
  print_interval: 1
hyper_parameters: {embedding_dim: 8, maxlen: 8, item_count: 61, neg_samples: 20, routing_logits_std: 1.0}
"""
STEPS = 23  # an epoch: 92 users with 16 positions each, 64 samples a step


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A data set of 115 users with 20 items each and with features, and its configuration."""
    folder = tmp_path_factory.mktemp("project")
    prepare_users(folder)
    write_features(folder / "data", "item", group=[[], *([f"g{item % 7}"] * (item % 3) for item in range(1, 61))])
    write_features(folder / "data", "user", kind=[[f"k{user % 5}"] if user < 3 else [] for user in range(115)])
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def launch(arguments, *, launcher, notes=None, network=(), script=WORKER, **environment):
    """A launcher, started, with what it says and what its first rank says on stdout."""
    words = [*network, sys.executable, "-m", "paddle.distributed.launch", *launcher, script, *arguments]
    ours = {"PYTHONPATH": str(ROOT), "NOTES": str(notes), "PORT_RANGE": ports.LAUNCHER}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(list(map(str, words)), cwd=ROOT, env=os.environ | ours | environment, **pipes)


def options(project, output, *more, config="config.yaml"):
    return ["-m", project / config, "-o", f"runner.model_save_path={output}", *more]


def train(project, folder, *more, ranks=2, config="config.yaml", **environment):
    """Train in so many processes, without a launcher; gives the first exit code but 0, and what rank 0 said."""
    (folder / "log").mkdir(exist_ok=True, parents=True)
    logs = [folder / f"log/workerlog.{rank}" for rank in range(ranks)]
    places = [f"127.0.0.1:{ports.free_port()}" for _ in logs]
    processes = []
    for rank, (log, place) in enumerate(zip(logs, places, strict=True)):
        log.unlink(missing_ok=True)
        own = {"NOTES": str(folder), **environment}
        if ranks > 1:  # what the launcher would say
            own |= {"PADDLE_TRAINER_ID": str(rank), "PADDLE_TRAINERS_NUM": str(ranks), "PADDLE_CURRENT_ENDPOINT": place}
            own |= {"PADDLE_TRAINER_ENDPOINTS": ",".join(places)}
        processes.append(lives.begin_rank(options(project, folder / "run", *more, config=config), log, own))
    for process, log in zip(processes, logs, strict=True):
        process.join(300)
        assert process.exitcode is not None, log.read_text()  # else it hangs
    return next((one.exitcode for one in processes if one.exitcode), 0), logs[0].read_text()


def train_launched(project, folder, *more, **environment):
    """The same by Paddle's launcher in two processes: its own exit code, and what it said."""
    folder.mkdir(exist_ok=True)
    launcher = ["--nproc_per_node", 2, "--log_dir", folder / "log"]
    process = launch(options(project, folder / "run", *more), launcher=launcher, notes=folder, **environment)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said


def losses(folder, rank=0):
    return json.loads((folder / f"losses-{rank}.json").read_text())


def parameters(folder, rank):
    with np.load(folder / f"parameters-{rank}.npz") as arrays:
        return dict(arrays)


def assert_equal_parameters(folder):
    one, other = parameters(folder, 0), parameters(folder, 1)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def metrics(folder):
    """Rows of history.csv, of valid."""
    with open(folder / "run/history.csv") as file:
        return {(row["step"], row["tag"]): float(row["value"]) for row in csv.DictReader(file) if "valid" in row["tag"]}


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["hyper_parameters.negatives=full"],
        ["hyper_parameters.targets=3", "hyper_parameters.optimizer.decay=cosine"],
        ["runner.graph=static", "hyper_parameters.model=comirec_sa"],
        ["hyper_parameters.item_features=[group]", "hyper_parameters.user_features=[kind]"],
        ["hyper_parameters.optimizer.class=Adagrad", "hyper_parameters.negatives=unigram", "runner.num_workers=2"],
        ["hyper_parameters.model=sasrec"],  # as many targets as the histories are long
    ],
    ids=["sampled", "full", "targets", "static", "features", "adagrad", "sasrec"],
)
def test_two_ranks_at_half_the_batch_are_one_at_the_whole(more, project, tmp_path):
    code, said = train(project, tmp_path / "two", *more, SAME_DRAWS="1")
    assert code == 0, said
    code, said = train(project, tmp_path / "one", "runner.train_batch_size=64", *more, ranks=1, SAME_DRAWS="1")
    assert code == 0, said
    assert len(losses(tmp_path / "one")) == STEPS
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5)
    assert losses(tmp_path / "two", 0) == losses(tmp_path / "two", 1)
    assert_equal_parameters(tmp_path / "two")
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert one == pytest.approx(two, rel=1e-3)
    assert (tmp_path / "two/log/workerlog.1").read_text().count("batch_id") == 0
    names = {path.name for path in (tmp_path / "two/run").iterdir()}
    assert names == {"0", "best", "history.csv"}


def test_real_runs_draw_by_rank(project, tmp_path):
    assert train(project, tmp_path / "own")[0] == 0
    assert train(project, tmp_path / "same", SAME_DRAWS="1")[0] == 0
    assert_equal_parameters(tmp_path / "own")
    own, same = losses(tmp_path / "own"), losses(tmp_path / "same")
    assert own[0] != same[0]  # the samples are the same, the negatives are not
    np.testing.assert_allclose(own, same, rtol=0.2)


def arrays_of(folder):
    state = unpickle.read(folder / "rec.pdparams") | unpickle.read(folder / "rec.pdopt")
    return {name: value for name, value in state.items() if name != "LR_Scheduler"}


def assert_same_run(one, other, name="0"):
    assert (one / "history.csv").read_text() == (other / "history.csv").read_text()
    expected, found = arrays_of(one / name), arrays_of(other / name)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[key], found[key]) for key in expected)


@pytest.fixture(scope="module")
def whole(project, tmp_path_factory):
    """A run of two ranks that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert train(project, folder)[0] == 0
    return folder / "run"


def test_ranks_begin_alike_on_a_data_set_that_grew(project, whole, tmp_path):
    new = [" ".join([f"v{user}", *(f"new{(user + place) % 8}" for place in range(8))]) for user in range(10)]
    (tmp_path / "log.txt").write_text("\n".join([(project / "log.txt").read_text(), *new]))
    grown = tmp_path / "grown"
    main(["sequences", str(tmp_path / "log.txt"), "--extend", str(project / "data"), "--output", str(grown)])
    own = [f"runner.{name}_data_dir={grown / name}" for name in ("train", "valid", "test")]
    own += ["hyper_parameters.item_count=69", f"runner.model_init_path={whole / 'best'}"]
    code, said = train(project, tmp_path / "two", *own)
    assert code == 0, said
    assert "rows of 60 items taken over by their own ids" in said
    assert_equal_parameters(tmp_path / "two")
    saved, table = unpickle.read(whole / "best/rec.pdparams"), "item_table.weight"
    before, after = saved[table], parameters(tmp_path / "two", 0)[table]
    assert after.shape == (69, 8)
    assert np.abs(after[1:61] - before[1:]).mean() < 0.5 * np.abs(before).mean()  # what the epoch changed


@pytest.mark.parametrize("dying", [0, 1])
def test_a_dead_rank_ends_the_job_and_the_resumed_run_is_the_whole_one(dying, project, whole, tmp_path):
    code, said = train_launched(project, tmp_path, "runner.save_interval=4", DIE_AT=f"{dying}:14")
    assert code != 0
    left = (tmp_path / f"log/workerlog.{1 - dying}").read_text()
    assert f"error: rank {1 - dying} of 2: another process has ended or is out of reach (" in left
    assert "Traceback" not in left
    # The launcher's own output may lack that line of rank 0: it copies the log now and then, and ends at once.
    assert resume.newest(tmp_path / "run").name == ("step-14" if dying else "step-12")
    code, said = train(project, tmp_path, "runner.save_interval=4", "runner.resume=auto")
    assert code == 0, said
    assert f"resumed from {tmp_path}/run/step-{14 if dying else 12}: epoch 0" in said
    assert_same_run(whole, tmp_path / "run")


def test_a_signal_to_one_rank_stops_all_at_the_same_step(project, whole, tmp_path):
    _, said = train_launched(project, tmp_path, TERM_AT="1:7")
    assert "SIGTERM: the run is saved; continue with: python -m paddle.distributed.launch --nproc_per_node 2 " in said
    step = resume.newest(tmp_path / "run").name
    assert step == "step-7"
    assert train(project, tmp_path, "runner.resume=auto")[0] == 0
    assert_same_run(whole, tmp_path / "run")


@pytest.mark.parametrize("number, workers", [(signal.SIGINT, 0), (signal.SIGTERM, 2)])
def test_a_signal_to_the_launcher_saves_first(number, workers, project, tmp_path):
    folder, log = tmp_path / "run", tmp_path / "log/workerlog.0"
    launcher = ["--nproc_per_node", 2, "--log_dir", tmp_path / "log"]
    arguments = options(project, folder, "runner.epochs=1000", f"runner.num_workers={workers}")
    process = launch(arguments, launcher=launcher, notes=tmp_path)
    while not (log.exists() and "epoch: 1, batch_id: 3" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    process.communicate(timeout=100)
    assert process.returncode != 0
    assert "SIGTERM: the run is saved" in log.read_text()
    assert "Traceback" not in log.read_text() + (tmp_path / "log/workerlog.1").read_text()
    assert resume.newest(folder) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_ranks_save_and_end_with_a_killed_launcher(project, tmp_path):
    folder, log = tmp_path / "run", tmp_path / "log/workerlog.0"
    launcher = ["--nproc_per_node", 2, "--log_dir", tmp_path / "log"]
    process = launch(options(project, folder, "runner.epochs=1000"), launcher=launcher, notes=tmp_path)
    while not (log.exists() and "epoch: 1, batch_id: 3" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.communicate(timeout=100)  # returns when nobody holds its output
    while "SIGTERM: the run is saved" not in log.read_text():
        time.sleep(0.1)
    assert resume.newest(folder) is not None


@pytest.mark.slow
def test_the_others_wait_for_a_checkpoint_longer_than_gloo_would(project, tmp_path):
    fixed = "hyper_parameters.optimizer.learning_rate=0.0"  # so the first evaluation is the best
    code, said = train(project, tmp_path, fixed, SLOW_SAVE="33")
    assert code == 0, said


def test_the_first_goes_last(project, tmp_path):
    """The others look now and then whether it has come; it was gone, and they took it for lost."""
    code, said = train(project, tmp_path, "runner.eval_interval=0", SLOW_LOOK="1")  # it ends with a save of the best
    assert code == 0, said


def test_another_number_of_processes_does_not_resume(project, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    code, said = train(project, tmp_path, "runner.resume=auto", ranks=1)
    assert code == 2
    assert "trained by 2 processes, now there are 1; start as many" in said


def test_a_fault_is_that_of_all_ranks(project, tmp_path):
    code, said = train_launched(project, tmp_path, "hyper_parameters.optimizer.learning_rate=1e30")
    assert code == 2
    assert "error: the loss is nan at epoch 0, batch 1, step 1" in said
    assert {"batch.npz", "batch-1.npz", "rec.pdparams"} <= {path.name for path in (tmp_path / "run/failed").iterdir()}


def test_processes_with_different_settings_are_refused(project, tmp_path):
    port, rates = ports.free_port(), (0.001, 0.002)
    nodes = [
        launch(
            options(project, tmp_path / "run", f"hyper_parameters.optimizer.learning_rate={rate}"),
            launcher=node_options(node, "127.0.0.1", port, tmp_path),
        )
        for node, rate in enumerate(rates)
    ]
    said = [node.communicate(timeout=200)[0] for node in nodes]
    assert "error: rank 0 of 2: the processes have different settings, data or checkpoints" in said[0]
    assert [node.returncode for node in nodes] == [2, 2]


def test_a_model_that_is_fitted_at_once_is_refused(project, tmp_path):
    config = (project / "config.yaml").read_text().split("hyper_parameters:")[0]
    (project / "popular.yaml").write_text(f"{config}hyper_parameters: {{model: most_pop, item_count: 61}}\n")
    code, said = train(project, tmp_path, config="popular.yaml")
    assert code == 2
    assert "error: most_pop is fitted at once, by one process, and 2 were started" in said


def node_options(node, host, port, folder):
    log = ["--log_dir", folder / f"log-{node}"]
    return ["--nnodes", 2, "--master", f"{host}:{port}", "--rank", node, "--nproc_per_node", 1, *log]


@pytest.fixture
def namespaces():
    """Two network namespaces with a cable between them: `[(words before a command, address, interface)]`."""
    names = [f"ranks{os.getpid()}{end}" for end in "ab"]
    cable = [f"v{os.getpid()}{end}" for end in "ab"]

    def ip(*words, check=True):
        return subprocess.run(["ip", *words], check=check, capture_output=True)

    try:
        if any(ip("netns", "add", name, check=False).returncode for name in names):
            pytest.skip("network namespaces need root")
        ip("link", "add", cable[0], "netns", names[0], "type", "veth", "peer", "name", cable[1], "netns", names[1])
        for number, (name, end) in enumerate(zip(names, cable, strict=True), 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield [
            (["ip", "netns", "exec", name], f"10.77.0.{number}", end)
            for number, (name, end) in enumerate(zip(names, cable, strict=True), 1)
        ]
    except FileNotFoundError:
        pytest.skip("network namespaces need iproute2")
    finally:
        if shutil.which("ip"):
            for name in names:
                ip("netns", "del", name, check=False)


def run_nodes(project, folder, networks, **environment):
    port, master = ports.free_port(), networks[0][1]
    processes = []
    for node, (network, address, interface) in enumerate(networks):
        processes.append(
            launch(
                options(project, folder / "run"),
                launcher=[*node_options(node, master, port, folder), "--host", address],
                network=network,
                notes=folder,
                GLOO_SOCKET_IFNAME=interface,
                **environment,
            )
        )
    said = [process.communicate(timeout=200)[0] for process in processes]
    return [process.returncode for process in processes], said


def test_two_nodes_on_one_host(project, whole, tmp_path):
    codes, said = run_nodes(project, tmp_path, [([], "127.0.0.1", "lo"), ([], "127.0.0.1", "lo")])
    assert codes == [0, 0], said
    assert_equal_parameters(tmp_path)
    assert_same_run(whole, tmp_path / "run")


def test_two_nodes_with_networks_of_their_own(project, whole, tmp_path, namespaces):
    codes, said = run_nodes(project, tmp_path, namespaces)
    assert codes == [0, 0], said
    assert_equal_parameters(tmp_path)
    assert_same_run(whole, tmp_path / "run")


def test_a_dead_node_ends_the_job(project, tmp_path, namespaces):
    codes, said = run_nodes(project, tmp_path, namespaces, DIE_AT="1:5")
    assert 0 not in codes
    assert "error: rank 0 of 2: another process has ended" in said[0]
    assert resume.newest(tmp_path / "run").name == "step-5"


@pytest.mark.skipif(paddle.device.cuda.device_count() == 0, reason="no GPU")
@pytest.mark.parametrize("ranks", range(1, 1 + min(2, paddle.device.cuda.device_count())))
def test_on_gpus_losses_fall_as_on_cpus(ranks, project, tmp_path):
    code, said = train(project, tmp_path / "gpu", "runner.use_gpu=true", ranks=ranks)
    assert code == 0, said
    assert train(project, tmp_path / "cpu", ranks=ranks)[0] == 0
    np.testing.assert_allclose(losses(tmp_path / "gpu"), losses(tmp_path / "cpu"), rtol=0.2)
