"""The user tower of an export, opened with Paddle Inference."""

import threading

from paddle import inference

from tools.common.errors import UserError
from tools.serving.tower_files import check
from tools.training.runtime import keep_arrays

OUTPUTS = ("interests", "live", "coupling")  # of the user tower, in this order


class Tower:
    """Runs the user tower of an export, from any number of threads at once.

    Paddle's predictor serves one thread at a time: its inputs and outputs are its own. So each run borrows a clone,
    which shares the weights, and there are as many clones as runs were under way together.

    Args:
        folder: of the export.

    Raises:
        UserError: where it cannot be opened.
    """

    def __init__(self, *, folder):
        self.idle = [_open(folder)]  # list.pop and list.append are one step each, in every thread
        self.model, self.cloning = self.idle[0].clone(), threading.Lock()

    def run(self, inputs) -> list:
        """What the tower gives for arrays by the names of its inputs: arrays in the order of `OUTPUTS`."""
        try:
            tower = self.idle.pop()
        except IndexError:
            with self.cloning:
                tower = self.model.clone()
        for name, array in inputs.items():
            tower.get_input_handle(name).copy_from_cpu(array)
        tower.run()
        outputs = [tower.get_output_handle(name).copy_to_cpu() for name in tower.get_output_names()]
        self.idle.append(tower)  # not after an error, which may leave it in any state
        return outputs


def _open(folder):
    check(folder / "user_tower")
    keep_arrays()
    config = inference.Config(str(folder / "user_tower.json"), str(folder / "user_tower.pdiparams"))
    config.disable_glog_info()
    config.disable_mkldnn()  # the default: on Paddle 3.3.1 it gives wrong squashed vectors and live masks
    try:
        tower = inference.create_predictor(config)
    except Exception as error:  # of Paddle's own kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{folder}: user_tower is not readable ({reason}); export it again") from None
    if len(tower.get_output_names()) != len(OUTPUTS):
        raise UserError(f"{folder}: user_tower does not give {', '.join(OUTPUTS)}; export it again")
    return tower
