"""ComiRec-SA: controllable multi-interest framework, self-attention (Cen et al., KDD 2020)."""

from models.base.multi_interest import MultiInterestModel
from models.layers.self_attention import SelfAttention


class ComiRecSA(MultiInterestModel):
    """K attention heads over the history, each an interest (section 4.2, eq. 6 and 7).

    Args:
        embedding_dim, maxlen, interest_num: D, T, K.
        options: what `MultiInterestModel` takes.
    """

    def __init__(self, *, embedding_dim, maxlen, interest_num=4, **options):
        extractor = SelfAttention(hidden_size=embedding_dim, seq_len=maxlen, interest_num=interest_num)
        super().__init__(
            embedding_dim=embedding_dim, maxlen=maxlen, interest_num=interest_num, extractor=extractor, **options
        )
