"""YouTube DNN: deep neural networks for YouTube recommendations (Covington et al., RecSys 2016)."""

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Loss
from models.layers.features import create_item_table
from models.layers.mean_pooling import MeanPooling
from models.layers.read_out import LabelAwareAttention
from models.losses.objective import create_objective


@flat_options
class YouTubeDNN(GradientModel):
    """One vector a user, by a tower over the mean of the history (candidate generation, section 3 and fig. 3).

        m       = (1/|I_u|) Σ_i e_i                                         `MeanPooling` over rows of the `ItemTable`
        v       = W relu(… relu(W1 [m ; context] + b1) …) + b               `ContextTower`, `tower_sizes` ReLU layers
        P(i|u)  = exp(v · e_i) / Σ_j exp(v · e_j)                           section 3.1, the loss is -log P
        f(u, i) = v · e_i

    The loss is `SampledSoftmax`. Where it departs from the paper: items watched and items recommended share one table;
    the last layer is linear, so that v may point anywhere; there are no ReLU layers unless set, as in ComiRec's
    comparison; and of the context, the age of an example is not among the features.
    """

    def __init__(self, common: Common, loss: Loss):
        super().__init__(
            common,
            item_table=create_item_table(common, loss),
            extractor=MeanPooling(),
            read_out=LabelAwareAttention(),  # of one interest: that one
            objective=create_objective(item_num=common.item_count - 1, **vars(loss)),
            tower_sizes=common.tower_sizes or [],
        )
