# %% [markdown]
# # Several interests per user / 多兴趣召回入门
#
# A recall model turns a user into one vector and looks for the nearest items. But one person watches thrillers,
# cartoons and French dramas, and the mean of the three is near none of them. A **multi-interest model** gives a user
# several vectors, one per interest, and searches with each. MIND (Li et al., CIKM 2019) finds them by *dynamic
# routing*: it sorts the films of the user's history into groups, and each group becomes an interest.
#
# We prepare MovieLens 100K, train MIND, measure it, and then look inside: which films make an interest, what does it
# find, and what does more variety cost? It takes about two minutes on two CPU cores. The commands are PaddleRec's.
#
# 召回模型把用户变成一个向量,再去找最近的物品。但同一个人既看惊悚片,也看动画片和法国文艺片,三者的平均离哪一类都不近。
# **多兴趣模型**为用户生成几个向量,每个兴趣一个,分别检索。MIND(Li 等,CIKM 2019)用*动态路由*得到它们:
# 把用户历史中的电影分成几组,每组形成一个兴趣。
#
# 我们准备 MovieLens 100K,训练并评测 MIND,然后看看它的内部:一个兴趣由哪些电影形成,能找到什么,
# 要结果更多样又要付出什么代价?两个 CPU 核上大约需要两分钟,命令与 PaddleRec 相同。

# %% [markdown]
# ## 1. Set up / 准备环境
#
# Open this notebook in a clone of the repository; on AI Studio upload or `git clone` it first. It needs PaddlePaddle 3,
# which AI Studio has and which is left as it is. Other packages are installed only where they are missing, in the
# versions that our tests use.
#
# 请在克隆下来的仓库中打开本教程;在 AI Studio 上先上传仓库或 `git clone`。需要 PaddlePaddle 3,
# AI Studio 已经装好,这里不会改动它。其他软件包只在缺少时安装,版本与我们测试所用的一致。

# %%
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

if Path.cwd().name == "notebooks":
    os.chdir("..")  # paths start at the root of the repository / 路径从仓库根目录开始
if not Path("trainer.py").is_file():
    raise FileNotFoundError("no trainer.py here: open the notebook in a clone of the repository / 请在仓库中打开")

packages = {"faiss": "faiss-cpu", "yaml": "pyyaml", "tqdm": "tqdm", "matplotlib": "matplotlib"}
pinned = dict(line.split("==") for line in Path("requirements/extras.txt").read_text().split())
missing = [f"{package}=={pinned[package]}" for module, package in packages.items() if not find_spec(module)]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
print("installed / 已安装:", ", ".join(missing) or "nothing was missing / 无需安装")

# %%
import json
import logging
import warnings

import faiss
import matplotlib.pyplot as plt
import numpy as np
import paddle
from IPython.display import Image, Markdown, display

warnings.filterwarnings("ignore", message="IProgress not found")  # no widgets needed / 不需要进度条控件

from models import MODELS
from tools.data.dataset import read_map
from tools.data.features import attribute
from tools.data.titles import titles
from tools.training import checkpoint, runtime
from tools.training.dygraph import DygraphModel
from tools.training.settings import load_settings
from tools.training.splits import open_split

logging.disable(logging.INFO)  # in this notebook; the commands below still log / 只影响本教程,下面的命令照常输出日志
print(f"Python {sys.version.split()[0]}, Paddle {paddle.__version__}, Faiss {faiss.__version__}")

# %% [markdown]
# ## 2. Prepare the data / 准备数据
#
# The command downloads 100,000 ratings and makes a data set of them. Any rating counts as "has watched". Users are
# split, not ratings: 80 % to train, 10 % to choose the best step (`valid`), 10 % for the final measure (`test`). So the
# model has never met a test user: it sees the first 80 % of that user's films and is asked for all the others.
#
# 这条命令下载 10 万条评分并制作数据集,有评分就算“看过”。划分的是用户而不是评分:80% 用于训练,
# 10% 用于选择最好的一步(`valid`),10% 用于最后的评测(`test`)。因此模型从未见过测试用户:
# 它看到该用户前 80% 的电影,要找出其余全部。

# %%
# !python -m tools.preprocess movielens-100k

# %% [markdown]
# ## 3. Train / 训练
#
# All settings are in `config.yaml`: MIND, 4 interests, the last 20 films as history. After each epoch the model is
# measured on `valid`; training stops when `recall@50` has not beaten its best three times in a row.
#
# Look at `interest_similarity`, the mean cosine between a user's interests. At 1 the four vectors would be one. It
# starts high and should fall: the interests learn to differ.
#
# 所有设置都在 `config.yaml` 中:MIND,4 个兴趣,历史取最近 20 部电影。每轮之后在 `valid` 上评测;
# `recall@50` 连续三次没有超过最好值就停止。
#
# 请留意 `interest_similarity`,即同一用户各兴趣之间余弦的平均。等于 1 时四个向量就是同一个。
# 它开始时较高,之后应当下降:各个兴趣学会了彼此不同。

# %%
# !python trainer.py -m config.yaml -o runner.overwrite=true

# %% [markdown]
# Training also wrote `history.csv`, which `tools.plot` draws. The thick line of the loss is a running mean.
#
# 训练还写出了 `history.csv`,由 `tools.plot` 画成曲线。损失的粗线是滑动平均。

# %%
# !python -m tools.plot output/movielens-100k --metrics recall@50 ndcg@50 interest_similarity --output output/curves.png
display(Image("output/curves.png", width=900))

# %% [markdown]
# ## 4. Measure / 评测
#
# `infer.py` takes the best checkpoint and recommends to the test users. The table is in percent:
#
# - `recall@50`: of the films that a user did watch later, how many are among the 50 recommended. Look here first.
# - `hitrate@50`: how many users find at least one of theirs. With many films to find it is near 100 and says little.
# - `ndcg@50`: like recall, but a film counts more the higher it stands.
# - `diversity@50`: of all pairs of films in a list, how many differ in genre.
# - `coverage@50`: how much of the catalogue is recommended to anyone.
#
# `MostPop` gives everyone the most popular films. A model that isn't clearly above it has learnt nothing about users.
#
# `infer.py` 读取最好的检查点,为测试用户推荐。表中是百分数:
#
# - `recall@50`:用户后来确实看过的电影中,有多少出现在推荐的 50 部里。请先看它。
# - `hitrate@50`:有多少用户至少命中一部。要找的电影很多时它接近 100,说明不了什么。
# - `ndcg@50`:类似召回率,但排得越靠前分量越大。
# - `diversity@50`:列表中的电影两两配对,类型不同的占多少。
# - `coverage@50`:全部电影中有多少曾被推荐给某个用户。
#
# `MostPop` 给所有人推荐最热门的电影。不能明显超过它的模型,对用户就什么也没学到。

# %%
# !python infer.py -m config.yaml

# %% [markdown]
# ## 5. One user's interests / 一个用户的兴趣
#
# `tools.explain` draws the **coupling** of one user: how much of each film goes to which interest. A film's shares add
# up to 1. We chose this user because the groups are easy to see; take others from `users` and you will meet some where
# they are not.
#
# `tools.explain` 画出一个用户的**耦合系数**:每部电影有多少归入哪个兴趣,同一部电影的各份之和为 1。
# 选这个用户是因为分组容易看出来;从 `users` 中换成别的用户,也会遇到看不出分组的。

# %%
settings = load_settings("config.yaml", models=MODELS)
batch = next(iter(open_split("test", settings)))
names = read_map("data/movielens-100k/user_map.csv")
users = [names[number] for number in batch.user]  # ids of MovieLens / MovieLens 的编号
user = "561"

# !python -m tools.explain -m config.yaml --pictures coupling --user {user} --format png --output output
display(Image("output/explain-coupling.png", width=600))

# %% [markdown]
# The same from Python. A model is a Paddle layer; `route` gives the interests and the coupling.
#
# 用 Python 得到同样的结果。模型就是一个飞桨的 Layer,`route` 给出兴趣和耦合系数。

# %%
runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
graph = DygraphModel()
model = graph.create_model(settings)
checkpoint.load("output/movielens-100k/best", model, settings)
model.eval()

row = users.index(user)
history, length = (paddle.to_tensor(one[[row]]) for one in (batch.hist_item, batch.seq_len))
with paddle.no_grad():
    interests, coupling = model.route(history, length)  # [B, K, D], [B, K, T]
print("interests:", tuple(interests.shape), "coupling:", tuple(coupling.shape))

# %% [markdown]
# Each interest is searched for its nearest films, and those of the history are left out. Read the table line by line:
# what do the films of an interest have in common, and does it find more of that kind? The model was never told a genre,
# it only knows who watched what. ✓ is a film that the user did watch later.
#
# 用每个兴趣检索最近的电影,历史中的不再推荐。请逐行阅读:形成一个兴趣的电影有什么共同点,它找到的是不是同一类?
# 模型从未得到过类型信息,只知道谁看过什么。✓ 表示用户后来确实看过。

# %%
title = titles("data/movielens-100k")
path = "data/movielens-100k/item_attributes.npz"
genre_names, genres = attribute(np.load(path), "genres", path)
seen, target = (one.take([row]) for one in (batch.seen, batch.target))


def film(item):
    """Title and genres, ✓ where the user did watch it later."""
    hit = " ✓" if item in target.values else ""
    return f"{title[item]}{hit} *({', '.join(genre_names[genres.take([item - 1]).values])})*"


def show(header, lines):
    """A table."""
    lines = [header, ["---"] * len(header), *lines]
    display(Markdown("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)))


retriever = graph.create_retriever(model)
live = model.live_interests(length).numpy()
found, _ = retriever.search(interests.numpy(), live, 6 + len(seen.values))  # [1, K, depth]
lines = []
for number, (share, items) in enumerate(zip(coupling.numpy()[0], found[0], strict=True)):
    made_of, new = batch.hist_item[row][share > 0.5], items[~np.isin(items, seen.values)][:6]
    lines.append([number, *("<br>".join(map(film, one)) for one in (made_of, new))])
show(["interest", "made of: coupling above 0.5 / 由耦合系数大于 0.5 的电影形成", "finds / 找到"], lines)

# %% [markdown]
# One list is made of the four: a film's score is the largest that any interest gives it, `max_k v_k · e_i`. No interest
# has places of its own, so that one of them may fill the list; look at the last column.
#
# 四组合并成一个列表:一部电影的得分取各兴趣给出的最大值,即 `max_k v_k · e_i`。没有为每个兴趣预留位置,
# 所以列表可能大部分来自同一个兴趣;请看最后一列。

# %%
best = retriever.recommend(interests.numpy(), live, 10, seen=seen, maxlen=settings.hyper_parameters.maxlen)
lines = [
    [rank, film(item), f"{score:.2f}", interest]
    for rank, (item, score, interest) in enumerate(zip(*(one[0] for one in best), strict=True), 1)
]
show(["rank", "recommended / 推荐", "score", "interest"], lines)

# %% [markdown]
# ## 6. Accuracy or variety / 准确还是多样
#
# ComiRec (Cen et al., KDD 2020) lets you choose: a list is worth the sum of its scores, plus lambda for each pair of
# films of different genre. At lambda 0 only the scores count. One search serves all lambdas, so one command measures
# them.
#
# ComiRec(Cen 等,KDD 2020)可以让您选择:列表的价值等于得分之和,再为每一对类型不同的电影加上 lambda。
# lambda 为 0 时只看得分。一次检索供所有 lambda 使用,所以一条命令就能全部评测。

# %%
# !python infer.py -m config.yaml -o 'runner.diversity_lambda=[0, 0.02, 0.1, 0.5]'

# %% [markdown]
# `metrics.json` has these figures with their 95 % intervals (bootstrap over users).
#
# `metrics.json` 中有这些数字及其 95% 区间(对用户做 bootstrap)。

# %%
metrics = json.loads(Path("output/movielens-100k/metrics.json").read_text())
lines = []
for name, figures in metrics.items():
    if name != "MostPop":
        weight = name.partition("lambda ")[2] or "0"
        recall, diversity, (low, high) = figures["recall@50"], figures["diversity@50"], figures["interval"]["recall@50"]
        lines.append([weight, f"{recall:.1%}", f"{low:.1%} - {high:.1%}", f"{diversity:.1%}"])
        plt.errorbar(diversity, recall, [[recall - low], [high - recall]], fmt="o", capsize=3, label=f"lambda {weight}")
show(["lambda", "recall@50", "95 %", "diversity@50"], lines)
plt.xlabel("diversity@50")
plt.ylabel("recall@50")
plt.legend()
plt.show()

# %% [markdown]
# To the right lists get more varied, downwards they find fewer films. Look how long the bars are: there are 95 test
# users, so you cannot be sure of a small step down. To choose lambda, take `valid` and more users:
# `benchmarks.quality.study` does it.
#
# 越往右列表越多样,越往下找到的电影越少。请注意误差线有多长:测试用户只有 95 个,小幅下降并不能确定。
# 选择 lambda 应当在 `valid` 上、用更多用户:`benchmarks.quality.study` 就是做这件事的。

# %% [markdown]
# ## Where to go from here / 接下来
#
# - Another model / 换一个模型:
#   `!python trainer.py -m config.yaml -o hyper_parameters.model=comirec_sa runner.model_save_path=output/comirec_sa`
# - Your own data / 使用自己的数据:
#   `!python -m tools.preprocess table clicks.csv --user uid --item sku --time ts --category shop`
# - Serving / 上线服务: `!python -m tools.export -m config.yaml --output output/export`
#
# The [README](../README.md) has all models, options and results. 全部模型、选项和结果见 [README_CN](../README_CN.md)。
