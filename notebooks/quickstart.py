# %% [markdown]
# # Several interests per user / 多兴趣召回入门
#
# A recall model turns a user into one vector and looks for the nearest items. But one person watches thrillers,
# cartoons and French dramas, and the mean of the three is near none of them. A **multi-interest model** gives a user
# several vectors, one per interest, and searches with each. MIND (Li et al., CIKM 2019) finds them by *dynamic
# routing*: it sorts the films of the user's history into groups, and each group becomes an interest.
#
# We prepare MovieLens 100K, train MIND, measure it, look inside, and put ComiRec-DR and a model with one vector beside
# it. That takes about four minutes on two CPU cores.
#
# 召回模型把用户变成一个向量,再去找最近的物品。但同一个人既看惊悚片,也看动画片和法国文艺片,三者的平均离哪一类都不近。
# **多兴趣模型**为用户生成几个向量,每个兴趣一个,分别检索。MIND(Li 等,CIKM 2019)用*动态路由*得到它们:
# 把用户历史中的电影分成几组,每组形成一个兴趣。
#
# 我们准备 MovieLens 100K,训练并评测 MIND,看看它的内部,再与 ComiRec-DR 和单向量模型比较。两个 CPU 核上大约需要四分钟。

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

packages = {"faiss": "faiss-cpu", "yaml": "pyyaml", "tqdm": "tqdm", "polars": "polars", "matplotlib": "matplotlib"}
pinned = dict(line.split("==") for line in Path("requirements/extras.txt").read_text().split())
missing = [f"{package}=={pinned[package]}" for module, package in packages.items() if not find_spec(module)]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
print("installed / 已安装:", ", ".join(missing) or "nothing was missing / 无需安装")

# %%
import warnings

warnings.filterwarnings("ignore", message="IProgress not found|No ccache found")  # neither is needed / 两者都不需要

import faiss
import paddle
import polars

from tools.api import Evaluation, fit, load, prepare

OUTPUT = Path("output/quickstart")  # all that is written but the data / 除数据外的全部输出
print(f"Python {sys.version.split()[0]}, Paddle {paddle.__version__}, Faiss {faiss.__version__}")

# %% [markdown]
# ## 2. Prepare the data / 准备数据
#
# 100,000 ratings are downloaded and made a data set. Any rating counts as "has watched". Users are split, not ratings:
# 80 % to train, 10 % to choose the best step (`valid`), 10 % for the final measure (`test`). So the model has never met
# a test user: it sees the first 80 % of that user's films and is asked for all the others.
#
# 下载 10 万条评分并制作数据集,有评分就算“看过”。划分的是用户而不是评分:80% 用于训练,10% 用于选择最好的一步(`valid`),
# 10% 用于最后的评测(`test`)。因此模型从未见过测试用户:它看到该用户前 80% 的电影,要找出其余全部。

# %%
data = prepare("movielens-100k", output="data/movielens-100k")

# %%
data

# %% [markdown]
# ## 3. Train / 训练
#
# MIND with 4 interests; the last 20 films are the history. After each epoch the model is measured on `valid`, and
# training stops when `recall@50` has not beaten its best three times in a row.
#
# Look at `interest_similarity`, the mean cosine between a user's interests. At 1 the four vectors would be one. It
# starts high and should fall: the interests learn to differ.
#
# MIND,4 个兴趣,历史取最近 20 部电影。每轮之后在 `valid` 上评测;`recall@50` 连续三次没有超过最好值就停止。
#
# 请留意 `interest_similarity`,即同一用户各兴趣之间余弦的平均。等于 1 时四个向量就是同一个。
# 它开始时较高,之后应当下降:各个兴趣学会了彼此不同。

# %%
settings = {"epochs": 8, "early_stop": 3, "filter_seen": True, "overwrite": True}
model = fit(data, "mind", output=OUTPUT / "mind", **settings)

# %% [markdown]
# ## 4. Measure / 评测
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
#
# 用最好的一步为测试用户推荐。表中是百分数,方括号内是按用户计算的 95% 区间:
#
# - `recall@50`:用户后来确实看过的电影中,有多少出现在推荐的 50 部里。请先看它。
# - `hitrate@50`:有多少用户至少命中一部。要找的电影很多时它接近 100,说明不了什么。
# - `ndcg@50`:类似召回率,但排得越靠前分量越大。
# - `diversity@50`:列表中的电影两两配对,类型不同的占多少。
# - `coverage@50`:全部电影中有多少曾被推荐给某个用户。
#
# `MostPop` 给所有人推荐最热门的电影。不能明显超过它的模型,对用户就什么也没学到。

# %%
model.evaluate()

# %% [markdown]
# ## 5. One user's interests / 一个用户的兴趣
#
# The **coupling** of one user: how much of each film goes to which interest. A film's shares add up to 1. We chose this
# user because the groups are easy to see; take others from `histories` and you will meet some where they are not.
#
# 一个用户的**耦合系数**:每部电影有多少归入哪个兴趣,同一部电影的各份之和为 1。
# 选这个用户是因为分组容易看出来;从 `histories` 中换成别的用户,也会遇到看不出分组的。

# %%
histories, targets = data.histories("test"), data.targets("test")
user = "561"
model.explain(user)

# %% [markdown]
# Each interest is searched for its nearest films. Read the table line by line: what do the films of an interest have in
# common, and does it find more of that kind? The model was never told a genre, it only knows who watched what.
#
# 用每个兴趣检索最近的电影。请逐行阅读:形成一个兴趣的电影有什么共同点,它找到的是不是同一类?
# 模型从未得到过类型信息,只知道谁看过什么。

# %%
model.interests(histories[user])

# %% [markdown]
# One list is made of the four: a film's score is the largest that any interest gives it, `max_k v_k · e_i`. No interest
# has places of its own, so that one of them may fill the list; look at the column `interest`. `hit` is a film that the
# user did watch later.
#
# 四组合并成一个列表:一部电影的得分取各兴趣给出的最大值,即 `max_k v_k · e_i`。没有为每个兴趣预留位置,
# 所以列表可能大部分来自同一个兴趣;请看 `interest` 一列。`hit` 表示用户后来确实看过。


# %%
def recommended(one):
    """The list of our user, and which films were watched later / 该用户的列表,并标出命中。"""
    found = one.recommend({user: histories[user]}, top_n=10)
    return found.select("rank", "title", "interest", hit=found["item"].is_in(targets[user]))


recommended(model)

# %% [markdown]
# Films have vectors, too. These are nearest to *Star Wars* (50):
#
# 电影也有向量。离《星球大战》(50)最近的是:

# %%
model.similar_items("50", top_n=5)

# %% [markdown]
# ## 6. What do several interests change? / 多个兴趣改变了什么?
#
# ComiRec-DR routes like MIND, with a matrix for each position and interest. `youtube_dnn` has one vector, the mean of
# the history. All three have the same settings.
#
# ComiRec-DR 的路由与 MIND 类似,但每个位置、每个兴趣各有一个矩阵。`youtube_dnn` 只有一个向量,即历史的平均。
# 三者使用相同的设置。

# %%
models = {"mind": model}
for name in ("comirec_dr", "youtube_dnn"):
    print(name)
    models[name] = fit(data, name, output=OUTPUT / name, **settings)

# %%
measured = {}
for one in models.values():
    measured |= one.evaluate(top_n=[50])
Evaluation(measured)

# %% [markdown]
# On this small data set the one vector finds most: several interests don't pay everywhere.
# [Results](../docs/results.md) has larger ones. Look at the intervals, too: there are 95 test users. What several
# interests change is which films a user gets. In the lists of our user the number is the interest's, and ✓ was watched
# later.
#
# 在这个小数据集上单个向量找到的最多:多个兴趣并非处处有利。更大的数据集见[结果](../docs/results.md)。
# 也请看区间:测试用户只有 95 个。多个兴趣改变的是用户得到哪些电影。下面是该用户的三个列表,
# 数字是兴趣的编号,✓ 表示后来看过。

# %%
lists = {}
for name, one in models.items():
    rows = recommended(one).select("title", "interest", "hit").rows()
    lists[name] = [f"{title} · {interest}{' ✓' * hit}" for title, interest, hit in rows]
polars.DataFrame(lists)

# %% [markdown]
# ## 7. Accuracy or variety / 准确还是多样
#
# ComiRec (Cen et al., KDD 2020) lets you choose: a list is worth the sum of its scores, plus lambda for each pair of
# films of different genre. At lambda 0 only the scores count. One search serves all lambdas. Lists get more varied, and
# at some lambda they find fewer films. To choose lambda take `split="valid"`, and more users than here.
#
# ComiRec(Cen 等,KDD 2020)可以让您选择:列表的价值等于得分之和,再为每一对类型不同的电影加上 lambda。
# lambda 为 0 时只看得分。一次检索供所有 lambda 使用。列表越来越多样,从某个 lambda 起找到的电影变少。
# 选择 lambda 应当用 `split="valid"`,并且用比这里更多的用户。

# %%
model.evaluate(top_n=[50], diversity_lambda=[0, 0.02, 0.1, 0.5])

# %% [markdown]
# ## 8. Serve / 上线
#
# The exported folder has all that serving needs. `python -m tools.predict` answers requests from it; so does Python.
#
# 导出的目录包含部署所需的一切。`python -m tools.predict` 可以用它回答请求,Python 也可以。

# %%
model.export(OUTPUT / "export")
served = load(OUTPUT / "export")
served.recommend({"someone": ["50", "172", "181"]}, top_n=5)

# %% [markdown]
# ## Where to go from here / 接下来
#
# - Your own data / 使用自己的数据: `data = prepare(frame, user="uid", item="sku", time="ts", output="data/clicks")`
# - Everything that Python can ask / 全部 Python 接口: [docs/api.md](../docs/api.md)
# - The same by PaddleRec's commands / 用 PaddleRec 的命令做同样的事: [docs/training.md](../docs/training.md)
#
# The [README](../README.md) has all models, options and results. 全部模型、选项和结果见 [README_CN](../README_CN.md)。
