# %% [markdown]
# # 多兴趣召回入门
#
# 召回模型把用户变成一个向量,再去找最近的物品。但同一个人既看惊悚片,也看动画片和法国文艺片,三者的平均离哪一类都不近。
# **多兴趣模型**为用户生成几个向量,每个兴趣一个,分别检索。MIND(Li 等,CIKM 2019)用*动态路由*得到它们:
# 把用户历史中的电影分成几组,每组形成一个兴趣。
#
# 我们准备 MovieLens 100K,训练并评测 MIND,看看它的内部,再与 ComiRec-DR 和单向量模型比较。两个 CPU 核上大约需要四分钟。

# %% [markdown]
# ## 1. 准备环境
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
# ## 2. 准备数据
#
# 下载 10 万条评分并制作数据集,有评分就算“看过”。划分的是用户而不是评分:80% 用于训练,10% 用于选择最好的一步(`valid`),
# 10% 用于最后的评测(`test`)。因此模型从未见过测试用户:它看到该用户前 80% 的电影,要找出其余全部。

# %%
data = prepare("movielens-100k", output="data/movielens-100k")

# %%
data

# %% [markdown]
# ## 3. 训练
#
# MIND,4 个兴趣,历史取最近 20 部电影。每轮之后在 `valid` 上评测;`recall@50` 连续三次没有超过最好值就停止。
#
# 请留意 `interest_similarity`,即同一用户各兴趣之间余弦的平均。等于 1 时四个向量就是同一个。
# 它开始时较高,之后应当下降:各个兴趣学会了彼此不同。

# %%
settings = {"epochs": 8, "early_stop": 3, "filter_seen": True, "overwrite": True}
model = fit(data, MODEL, output=OUTPUT / MODEL, **settings)

# %% [markdown]
# ## 4. 评测
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
# ## 5. 一个用户的兴趣
#
# 一个用户的**耦合系数**:每部电影有多少归入哪个兴趣。每行是一部电影,最早的在最上面;各份之和为 1。
# 选这个用户是因为分组容易看出来;从 `histories` 中换成别的用户,也会遇到看不出分组的。

# %%
histories, targets = data.histories("test"), data.targets("test")
user = "561"
model.explain(user)

# %% [markdown]
# 用每个兴趣检索最近的电影。请逐行阅读:形成一个兴趣的电影有什么共同点,它找到的是不是同一类?
# 模型从未得到过类型信息,只知道谁看过什么。

# %%
model.interests(histories[user])

# %% [markdown]
# 四组合并成一个列表:一部电影的得分取各兴趣给出的最大值,即 `max_k v_k · e_i`。没有为每个兴趣预留位置,
# 所以列表可能大部分来自同一个兴趣;请看 `interest` 一列。`hit` 表示用户后来确实看过。


# %%
def recommended(one):
    """The list of our user, and which films were watched later."""
    found = one.recommend({user: histories[user]}, top_n=10)
    return found.select("rank", "title", "interest", hit=found["item"].is_in(targets[user]))


recommended(model)

# %% [markdown]
# 电影也有向量。离《星球大战》(50)最近的是:

# %%
model.similar_items("50", top_n=5)

# %% [markdown]
# ## 6. 多个兴趣改变了什么?
#
# ComiRec-DR 的路由与 MIND 类似,但每个位置、每个兴趣各有一个矩阵。`youtube_dnn` 只有一个向量,即历史的平均。
# 三者使用相同的设置。

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
# ## 7. 准确还是多样
#
# ComiRec(Cen 等,KDD 2020)可以让您选择:列表的价值等于得分之和,再为每一对类型不同的电影加上 lambda。
# lambda 为 0 时只看得分。一次检索供所有 lambda 使用。列表越来越多样,从某个 lambda 起找到的电影变少。
# 选择 lambda 应当用 `split="valid"`,并且用比这里更多的用户。

# %%
model.evaluate(top_n=[50], diversity_lambda=[0, 0.02, 0.1, 0.5])

# %% [markdown]
# ## 8. 上线
#
# 导出的目录包含部署所需的一切。`python -m tools.predict` 可以用它回答请求,Python 也可以。

# %%
model.export(OUTPUT / "export")
served = load(OUTPUT / "export")
served.recommend({"someone": ["50", "172", "181"]}, top_n=5)

# %% [markdown]
# ## 接下来
#
# - 使用自己的数据: `data = prepare(frame, user="uid", item="sku", time="ts", output="data/clicks")`
# - 全部 Python 接口: [docs/api.md](../docs/api.md)
# - 用 PaddleRec 的命令做同样的事: [docs/training.md](../docs/training.md)
# - 全部模型、选项和结果: [README_CN](../README_CN.md)
# - This notebook in English: [quickstart.ipynb](quickstart.ipynb)
