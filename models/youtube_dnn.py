"""YouTube DNN: deep neural networks for YouTube recommendations (Covington et al., RecSys 2016)."""

from models.base.gradient_model import GradientModel
from models.layers.mean_pooling import MeanPooling


class YouTubeDNN(GradientModel):
    """`v_u = W relu(… [mean_i e_i ; context])`: one interest, by a tower over the mean history (section 3, fig. 3).

    Args:
        embedding_dim: D.
        tower_sizes: ReLU layers before the linear one; None: none, as in ComiRec's comparison.
        options: what `GradientModel` takes.
    """

    def __init__(self, *, embedding_dim, tower_sizes=None, **options):
        sizes = tower_sizes or []
        super().__init__(embedding_dim=embedding_dim, extractor=MeanPooling(), tower_sizes=sizes, **options)
        if self.user_tower is None:  # the base has one for user features only
            self.user_tower = self.create_user_tower(embedding_dim, sizes)
