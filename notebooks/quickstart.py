# %% [markdown]
# # Several interests per user
#
# A recall model turns a user into one vector and looks for the nearest items. But one person watches thrillers,
# cartoons and French dramas, and the mean of the three is near none of them. A **multi-interest model** gives a user
# several vectors, one per interest, and searches with each. MIND (Li et al., CIKM 2019) finds them by *dynamic
# routing*: it sorts the films of the user's history into groups, and each group becomes an interest.
#
# We prepare MovieLens 100K, train MIND, measure it, look inside, and put ComiRec-DR and a model with one vector beside
# it. That takes about four minutes on two CPU cores.

# %% [markdown]
# ## 1. Set up
#
# Open this notebook in a clone of the repository; on AI Studio upload or `git clone` it first. It needs PaddlePaddle 3,
# which AI Studio has and which is left as it is. Other packages are installed only where they are missing, in the
# versions that our tests use.

# %%
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

if Path.cwd().name == "notebooks":
    os.chdir("..")  # paths start at the root of the repository
if not Path("trainer.py").is_file():
    raise FileNotFoundError("no trainer.py here: open the notebook in a clone of the repository")

packages = {"faiss": "faiss-cpu", "yaml": "pyyaml", "tqdm": "tqdm", "polars": "polars", "matplotlib": "matplotlib"}
pinned = dict(line.split("==") for line in Path("requirements/extras.txt").read_text().split() if "==" in line)
missing = [f"{package}=={pinned[package]}" for module, package in packages.items() if not find_spec(module)]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
print("installed:", ", ".join(missing) or "nothing was missing")

# %%
import warnings

warnings.filterwarnings("ignore", message="IProgress not found|No ccache found")  # neither is needed

import faiss
import paddle
import polars

from tools.api import Evaluation, fit, load, prepare

MODEL = "mind"  # any name of models.MODELS with several interests
OUTPUT = Path("output/quickstart")  # all that is written but the data
print(f"Python {sys.version.split()[0]}, Paddle {paddle.__version__}, Faiss {faiss.__version__}")

# %% [markdown]
# ## 2. Prepare the data
#
# 100,000 ratings are downloaded and made a data set. Any rating counts as "has watched". Users are split, not ratings:
# 80 % to train, 10 % to choose the best step (`valid`), 10 % for the final measure (`test`). So the model has never met
# a test user: it sees the first 80 % of that user's films and is asked for all the others.

# %%
data = prepare("movielens-100k", output="data/movielens-100k")

# %%
data

# %% [markdown]
# ## 3. Train
#
# MIND with 4 interests; the last 20 films are the history. After each epoch the model is measured on `valid`, and
# training stops when `recall@50` has not beaten its best three times in a row.
#
# Look at `interest_similarity`, the mean cosine between a user's interests. At 1 the four vectors would be one. It
# starts high and should fall: the interests learn to differ.

# %%
settings = {"epochs": 8, "early_stop": 3, "filter_seen": True, "overwrite": True}
model = fit(data, MODEL, output=OUTPUT / MODEL, **settings)

# %% [markdown]
# ## 4. Measure
#
# The best step recommends to the test users. The table is in percent, with 95 % intervals over users:
#
# - `recall@50`: of the films that a user did watch later, how many are among the 50 recommended. Look here first.
# - `hitrate@50`: how many users find at least one of theirs. With many films to find it is near 100 and says little.
# - `ndcg@50`: like recall, but a film counts more the higher it stands.
# - `diversity@50`: of all pairs of films in a list, how many differ in genre.
# - `coverage@50`: how much of the catalogue is recommended to anyone.
#
# `MostPop` gives everyone the most popular films. A model that isn't clearly above it has learnt nothing about users.

# %%
model.evaluate()

# %% [markdown]
# ## 5. One user's interests
#
# The **coupling** of one user: how much of each film goes to which interest. Films are rows, the oldest first; a film's
# shares add up to 1. We chose this user because the groups are easy to see. With other users of `histories` they are
# not always.

# %%
histories, targets = data.histories("test"), data.targets("test")
user = "561"
model.explain(user)

# %% [markdown]
# Each interest is searched for its nearest films. Read the table line by line: what do the films of an interest have in
# common, and does it find more of that kind? The model was never told a genre, it only knows who watched what.

# %%
model.interests(histories[user])

# %% [markdown]
# The four are merged to one list: a film's score is the largest that any interest gives it, `max_k v_k · e_i`. No
# interest has reserved places, so one of them may fill the list: see the column `interest`. `hit` marks a film that the
# user watched later.


# %%
def recommended(one):
    """The list of our user, and which films were watched later."""
    found = one.recommend({user: histories[user]}, top_n=10)
    return found.select("rank", "title", "interest", hit=found["item"].is_in(targets[user]))


recommended(model)

# %% [markdown]
# Films have vectors, too. These are nearest to *Star Wars* (50):

# %%
model.similar_items("50", top_n=5)

# %% [markdown]
# ## 6. What do several interests change?
#
# ComiRec-DR routes like MIND, with a matrix for each position and interest. `youtube_dnn` has one vector, the mean of
# the history. All three have the same settings.

# %%
models = {MODEL: model}
for name in ("comirec_dr", "youtube_dnn"):
    print(name)
    models[name] = fit(data, name, output=OUTPUT / name, **settings)

# %%
measured = {}
for one in models.values():
    measured |= one.evaluate(top_n=[50])
Evaluation(measured)

# %% [markdown]
# On this small data set one vector has the largest recall: several interests do not help on all data.
# [Results](../docs/results.md) has larger data sets. Look at the intervals, too: there are only 95 test users. Several
# interests change which films a user gets. These are the lists of our user. The number is the interest that found the
# film; ✓ marks a film that was watched later.

# %%
lists = {}
for name, one in models.items():
    rows = recommended(one).select("title", "interest", "hit").rows()
    lists[name] = [f"{title} · {interest}{' ✓' * hit}" for title, interest, hit in rows]
polars.DataFrame(lists)

# %% [markdown]
# ## 7. Accuracy or variety
#
# ComiRec (Cen et al., KDD 2020) lets you choose: a list is worth the sum of its scores, plus lambda for each pair of
# films of different genre. At lambda 0 only the scores count. One search serves all lambdas. Lists get more varied, and
# at some lambda they find fewer films. To choose lambda take `split="valid"`, and more users than here.

# %%
model.evaluate(top_n=[50], diversity_lambda=[0, 0.02, 0.1, 0.5])

# %% [markdown]
# ## 8. Serve
#
# The exported folder has all that serving needs. `python -m tools.predict` answers requests from it, and Python does,
# too.

# %%
model.export(OUTPUT / "export")
served = load(OUTPUT / "export")
served.recommend({"someone": ["50", "172", "181"]}, top_n=5)

# %% [markdown]
# ## Where to go from here
#
# - Your own data: `data = prepare(frame, user="uid", item="sku", time="ts", output="data/clicks")`
# - Everything that Python can ask: [docs/api.md](../docs/api.md)
# - The same by PaddleRec's commands: [docs/training.md](../docs/training.md)
# - All models, options and results: [README](../README.md)
# - 本教程的中文版: [quickstart_cn.ipynb](quickstart_cn.ipynb)
