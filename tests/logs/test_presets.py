"""Public data sets by name, from rows in their true form, made up: folder, archive or the log alone."""

import gzip
import itertools
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from naive import check_dataset, table_of

from tools.logs.presets import GENRES, PRESETS
from tools.preprocess import main

START = 1_500_000_000


def rows_of_log(count=300, seed=1):
    """`(user, item, seconds)` of whole numbers."""
    rng = random.Random(seed)
    return [(rng.randrange(1, 16), rng.randrange(1, 13), START + 86400 * rng.randrange(300)) for _ in range(count)]


ROWS = rows_of_log()


def day(time, form="%Y-%m-%d"):
    return str(np.datetime64(time, "s")).replace("T", form)


@pytest.fixture
def prepared(tmp_path, capsys):
    """`prepared("hm", {"articles.csv": [line, …]}, *options)`: as folder and as zip the same data set."""

    def call(name, files, *options, encoding="utf-8"):
        (tmp_path / "raw").mkdir()
        with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
            for file, lines in files.items():
                data = "".join(f"{line}\n" for line in lines).encode(encoding)
                (tmp_path / "raw" / file).write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
                archive.write(tmp_path / "raw" / file, f"archive/{file}")
        for path, folder in (("raw", "data"), ("raw.zip", "zipped")):
            main([name, str(tmp_path / path), "--output", str(tmp_path / folder), *map(str, options)])
        for one in (tmp_path / "data").glob("*/*.[ct][sx][vt]"):
            assert one.read_bytes() == (tmp_path / "zipped" / one.relative_to(tmp_path / "data")).read_bytes()
        call.said = capsys.readouterr().out
        return tmp_path / "data"

    return call


def attributes(folder, kind, name):
    with np.load(folder / f"{kind}_attributes.npz") as file:
        words = file[f"{name}.names"][file[f"{name}.values"]].tolist()
        rows = [words[a:b] for a, b in itertools.pairwise(file[f"{name}.offsets"])]
    return dict(zip([row[1] for row in table_of(folder / f"{kind}_map.csv")[1:]], rows, strict=True))


def texts(rows, times=None):
    return [
        (str(user), str(item), time)
        for (user, item, _), time in zip(rows, times or [row[2] for row in rows], strict=True)
    ]


def test_movielens_100k(prepared):
    flags = [[int(place in (item % 19, 5)) for place in range(19)] for item in range(13)]
    files = {
        "u.data": [f"{user}\t{item}\t{item % 5 + 1}\t{time}" for user, item, time in ROWS],
        "u.item": [
            f'{n}|Caf\u00e9 "{n}" (1995)|01-Jan-1995||http://x|{"|".join(map(str, flags[n]))}' for n in range(1, 13)
        ],
        "u.user": [f"{n}|{20 + n}|M|writer|55455" for n in range(1, 16)],
        "u.genre": [f"{genre}|{n}" for n, genre in enumerate(GENRES)],
    }
    folder = prepared("movielens", files, encoding="latin-1")
    check_dataset(folder, texts(ROWS))
    assert attributes(folder, "item", "title")["7"] == ['Caf\u00e9 "7" (1995)']
    assert attributes(folder, "item", "genres")["8"] == ["Comedy", "Drama"]
    assert attributes(folder, "user", "occupation")["3"] == ["writer"]
    assert (folder / "item_category.npy").is_file()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_movielens_1m_and_10m(prepared, encoding):
    files = {
        "ratings.dat": [f"{user}::{item}::{item % 5 + 1}::{time}" for user, item, time in ROWS],
        "movies.dat": [f"{n}::Caf\u00e9, {n}: the film (1995)::Drama|War" for n in range(1, 13)],
        "users.dat": [f"{n}::F::25::12::55117" for n in range(1, 16)],
        "README": ["a text"],
    }
    folder = prepared("movielens", files, "--min-rating", 3, encoding=encoding)
    check_dataset(folder, texts([row for row in ROWS if row[1] % 5 + 1 >= 3]), read=len(ROWS))
    assert attributes(folder, "item", "title")["7"] == ["Caf\u00e9, 7: the film (1995)"]
    assert attributes(folder, "item", "genres")["7"] == ["Drama", "War"]
    assert attributes(folder, "user", "age")["3"] == ["25"]


def test_movielens_20m_to_32m(prepared):
    files = {
        "ratings.csv": ["userId,movieId,rating,timestamp", *(f"{user},{item},4.5,{time}" for user, item, time in ROWS)],
        "movies.csv": ["movieId,title,genres", *(f'{n},"Film, the ""{n}"" (1995)",Drama|War' for n in range(1, 13))],
        "tags.csv": ["userId,movieId,tag,timestamp"],
    }
    folder = prepared("movielens", files)
    check_dataset(folder, texts(ROWS))
    assert attributes(folder, "item", "title")["7"] == ['Film, the "7" (1995)']


def amazon(rows):
    return [(f"A{user:013d}", f"B{item:09d}", time) for user, item, time in rows]


@pytest.mark.parametrize("year", [2014, 2018, 2023])
def test_amazon_ratings_alone(prepared, year):
    rows = amazon(ROWS)
    lines = {
        2014: [f"{user},{item},5.0,{time}" for user, item, time in rows],
        2018: [f"{item},{user},5.0,{time}" for user, item, time in rows],
        2023: ["user_id,parent_asin,rating,timestamp", *(f"{user},{item},5.0,{time}000" for user, item, time in rows)],
    }[year]
    folder = prepared("amazon", {"ratings.csv": lines}, "--min-rating", 4)
    check_dataset(folder, [(user, item, time * (1000 if year == 2023 else 1)) for user, item, time in rows])


def test_amazon_2023_with_metadata(prepared, tmp_path):
    rows = amazon(ROWS)
    reviews = [
        json.dumps(
            {
                "rating": 5.0,
                "title": "ok",
                "asin": f"C{item}",
                "parent_asin": item,
                "user_id": user,
                "timestamp": time * 1000,
            }
        )
        for user, item, time in rows
    ]
    items = [
        json.dumps(
            {
                "main_category": "Beauty",
                "title": f"Soap {item}",
                "store": "S",
                "categories": ["All", "Bath"],
                "parent_asin": item,
            }
        )
        for item in {item for _, item, _ in rows}
    ]
    (tmp_path / "meta.jsonl").write_text("\n".join(items))
    files = {"All_Beauty.jsonl": reviews, "meta_All_Beauty.jsonl": items}  # metadata beside it is no log
    folder = prepared("amazon", files, "--metadata", tmp_path / "meta.jsonl")
    check_dataset(folder, [(user, item, time * 1000) for user, item, time in rows])
    assert attributes(folder, "item", "title")["B000000007"] == ["Soap B000000007"]
    assert attributes(folder, "item", "attributes")["B000000007"] == ["S", "All", "Bath"]


def test_taobao(prepared):
    lines = [f"{user},{item},{item % 3},{['pv', 'buy'][n % 2]},{time}" for n, (user, item, time) in enumerate(ROWS)]
    folder = prepared("taobao", {"UserBehavior.csv": lines})
    check_dataset(folder, texts(ROWS[::2]), read=len(ROWS))


def test_tmall(prepared):
    times = [int(day(time)[5:7] + day(time)[8:10]) for *_, time in ROWS]
    lines = [
        f"{user},{item},{item % 3},9,8,{time},{n % 2 * 2}"
        for n, ((user, item, _), time) in enumerate(zip(ROWS, times, strict=True))
    ]
    files = {
        "user_log_format1.csv": ["user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type", *lines],
        "user_info_format1.csv": ["user_id,age_range,gender", *(f"{n},{n % 8},{n % 3}" for n in range(1, 16))],
        "train_format1.csv": ["user_id,merchant_id,label"],
    }
    folder = prepared("tmall", files)
    check_dataset(folder, texts(ROWS, times)[::2], read=len(ROWS))
    assert attributes(folder, "user", "age_range")["3"] == ["3"]


def test_retailrocket(prepared):
    kinds = ["view", "addtocart", "transaction"]
    lines = [
        f"{time}005,{user},{kinds[n % 3]},{item},{n if n % 3 == 2 else ''}" for n, (user, item, time) in enumerate(ROWS)
    ]
    properties = [
        f"{START}000,{n},{name},{value}" for n in range(1, 13) for name, value in (("790", "n5"), ("categoryid", n % 4))
    ]
    files = {
        "events.csv": ["timestamp,visitorid,event,itemid,transactionid", *lines],
        "item_properties_part1.csv": ["timestamp,itemid,property,value", *properties[:12]],
        "item_properties_part2.csv": ["timestamp,itemid,property,value", *properties[12:]],
        "category_tree.csv": ["categoryid,parentid"],
    }
    folder = prepared("retailrocket", files)
    check_dataset(folder, [(user, item, time * 1000 + 5) for user, item, time in texts(ROWS)])
    assert attributes(folder, "item", "category")["7"] == ["3"]


def test_yoochoose(prepared):
    lines = [f"{user},{np.datetime64(time, 's')!s}.250Z,{item},S" for user, item, time in ROWS]
    folder = prepared("yoochoose", {"yoochoose-clicks.dat": lines, "yoochoose-buys.dat": ["1,x,2,3,4"]})
    check_dataset(folder, [(user, item, time * 1000 + 250) for user, item, time in texts(ROWS)])


@pytest.mark.parametrize(
    "names", ["sessionId;userId;itemId;timeframe;eventdate", "session_id;user_id;item_id;timeframe;eventdate"]
)
def test_diginetica(prepared, names):
    lines = [f"{user};NA;{item};{n * 7 % 300};2016-05-09" for n, (user, item, _) in enumerate(ROWS)]
    files = {
        "train-item-views.csv": [names, *lines],
        "product-categories.csv": ["itemId;categoryId", *(f"{n};{n % 4}" for n in range(1, 13))],
    }
    folder = prepared("diginetica", files)
    check_dataset(folder, texts(ROWS, [n * 7 % 300 for n in range(len(ROWS))]))
    assert attributes(folder, "item", "category")["7"] == ["3"]


def test_hm(prepared):
    lines = [f"{day(time, ' ')[:10]},{user:064d},{item:010d},0.05,1" for user, item, time in ROWS]
    names = "article_id,product_code,prod_name,product_type_name,colour_group_name,department_name"
    files = {
        "transactions_train.csv": ["t_dat,customer_id,article_id,price,sales_channel_id", *lines],
        "articles.csv": [names, *(f'{n:010d},1,"Strap, top ({n})",Vest top,Black,Jersey' for n in range(1, 13))],
        "customers.csv": ["customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code",
                          *(f"{n:064d},,,ACTIVE,NONE,{n + 20},x" for n in range(1, 16))],
    }  # fmt: skip
    folder = prepared("hm", files)
    check_dataset(folder, [(f"{user:064d}", f"{item:010d}", time // 86400 * 86400) for user, item, time in ROWS])
    assert attributes(folder, "item", "title")[f"{7:010d}"] == ["Strap, top (7)"]
    assert attributes(folder, "user", "age")[f"{7:064d}"] == ["27"]


def test_yelp(prepared):
    reviews = [
        json.dumps({"review_id": "r", "user_id": f"u{user}", "business_id": f"b{item}", "stars": 4.0,
                    "date": str(np.datetime64(time, "s")).replace("T", " ")})
        for user, item, time in ROWS
    ]  # fmt: skip
    shops = [
        json.dumps({"business_id": f"b{n}", "name": f"Shop {n}", "city": "X", "categories": "Food, Bars"})
        for n in range(1, 13)
    ]
    files = {"yelp_academic_dataset_review.json": reviews, "yelp_academic_dataset_business.json": shops}
    folder = prepared("yelp", files, "--min-rating", 4)
    check_dataset(folder, [(f"u{user}", f"b{item}", time) for user, item, time in ROWS])
    assert attributes(folder, "item", "categories")["b7"] == ["Food", "Bars"]
    assert attributes(folder, "item", "title")["b7"] == ["Shop 7"]


@pytest.mark.parametrize("name", ["loc-gowalla_totalCheckins.txt", "loc-gowalla_totalCheckins.txt.gz"])
def test_gowalla(prepared, name):
    lines = [f"{user}\t{np.datetime64(time, 's')}Z\t30.2\t-97.7\t{item}" for user, item, time in ROWS]
    check_dataset(prepared("gowalla", {name: lines}), texts(ROWS))


def test_lastfm(prepared):
    lines = [
        f'user_{user:06d}\t{np.datetime64(time, "s")}Z\ta{item % 3}\tBand "{item % 3}\tt{item}\tSong {item}'
        for user, item, time in ROWS
    ]
    profile = [
        "#id\tgender\tage\tcountry\tregistered",
        *(f"user_{n:06d}\tm\t{n + 20}\tJapan\tAug 13, 2006" for n in range(1, 16)),
    ]
    files = {"userid-timestamp-artid-artname-traid-traname.tsv": lines, "userid-profile.tsv": profile}
    folder = prepared("lastfm", files)
    check_dataset(folder, [(f"user_{user:06d}", f"t{item}", time) for user, item, time in ROWS])
    assert attributes(folder, "item", "title")["t7"] == ["Song 7"]
    assert attributes(folder, "user", "country")["user_000003"] == ["Japan"]


def test_steam(prepared):
    reviews = [
        f"{{u'username': u'it\\'s {user}', u'product_id': u'{item}', u'date': u'{day(time, ' ')[:10]}', u'hours': 3.5}}"
        for user, item, time in ROWS
    ]
    games = [
        f"{{u'app_name': u'Game {n}', u'genres': [u'Action', u'Indie'], u'id': u'{n}', u'developer': u'D'}}"
        for n in range(1, 13)
    ]
    folder = prepared("steam", {"steam_reviews.json": reviews, "steam_games.json": games})
    check_dataset(folder, [(f"it's {user}", str(item), time // 86400 * 86400) for user, item, time in ROWS])
    assert attributes(folder, "item", "genres")["7"] == ["Action", "Indie"]
    assert attributes(folder, "item", "title")["7"] == ["Game 7"]


def test_rees46(prepared):
    names = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
    lines = [
        f"{str(np.datetime64(time, 's')).replace('T', ' ')} UTC,{['view', 'cart'][n % 2]},{item},1,a.b,x,1.0,{user},s"
        for n, (user, item, time) in enumerate(ROWS)
    ]
    folder = prepared("rees46", {"2019-Nov.csv": [names, *lines[:150]], "2019-Oct.csv": [names, *lines[150:]]})
    check_dataset(folder, texts(ROWS)[::2], read=len(ROWS))


def test_book_crossing(prepared):
    lines = [f'"{user}";"{item:010d}";"{item % 11}"' for user, item, _ in ROWS]
    books = [f'"{n:010d}";"Caf\u00e9 \\"{n}\\"; a tale";"A";"2002";"P"' for n in range(1, 13)]
    files = {
        "BX-Book-Ratings.csv": ['"User-ID";"ISBN";"Book-Rating"', *lines],
        "BX-Books.csv": ['"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher"', *books],
    }
    folder = prepared("book-crossing", files, encoding="latin-1")
    check_dataset(folder, [(str(user), f"{item:010d}", n) for n, (user, item, _) in enumerate(ROWS)])
    assert attributes(folder, "item", "title")[f"{7:010d}"] == ['Caf\u00e9 "7"; a tale']
    assert "the order of the file" in prepared.said


def test_kuairand(prepared):
    names = "user_id,video_id,date,hourmin,time_ms,is_click,is_like"
    lines = [f"{user},{item},20220408,100,{time}000,{n % 2},0" for n, (user, item, time) in enumerate(ROWS)]
    files = {
        "log_standard_4_08_to_4_21_1k.csv": [names, *lines[:150]],
        "log_standard_4_22_to_5_08_1k.csv": [names, *lines[150:]],
        "log_random_4_22_to_5_08_1k.csv": [names, *lines[:9]],
        "video_features_basic_1k.csv": ["video_id,author_id,video_type,upload_dt,tag",
                                        *(f'{n},3,NORMAL,2022-03-31,"{n},9"' for n in range(1, 13))],
        "user_features_1k.csv": ["user_id,user_active_degree", *(f"{n},full_active" for n in range(1, 16))],
    }  # fmt: skip
    folder = prepared("kuairand", files)
    check_dataset(folder, [(user, item, time * 1000) for user, item, time in texts(ROWS)[1::2]], read=len(ROWS))
    assert attributes(folder, "item", "tag")["7"] == ["7", "9"]
    assert attributes(folder, "user", "activity")["7"] == ["full_active"]


def test_tenrec(prepared):
    names = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age"
    lines = [f"{user},{item},{n % 2},0,0,0,{item % 2},1,1,2" for n, (user, item, _) in enumerate(ROWS)]
    folder = prepared("tenrec", {"QB-video.csv": [names, *lines]})
    check_dataset(folder, [(user, item, n) for n, (user, item, _) in enumerate(texts(ROWS)[1::2])], read=len(ROWS))


def test_recbole(prepared):
    inter = [f"{user}\t{item}\t4.0\t{time}" for user, item, time in ROWS]
    items = [f'{n}\tFilm "{n}\t1995\tDrama War' for n in range(1, 13)]
    files = {
        "ml.inter": ["user_id:token\titem_id:token\trating:float\ttimestamp:float", *inter],
        "ml.item": ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq", *items],
        "ml.user": ["user_id:token\tage:token\tgender:token", *(f"{n}\t{n + 20}\tM" for n in range(1, 16))],
    }
    folder = prepared("recbole", files, "--min-rating", 3)
    check_dataset(folder, texts(ROWS))
    assert attributes(folder, "item", "title")["7"] == ['Film "7']
    assert attributes(folder, "item", "class")["7"] == ["Drama", "War"]
    assert attributes(folder, "user", "age")["7"] == ["27"]


def test_recbole_s_ready_splits(prepared, capsys):
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    late = sorted(ROWS, key=lambda row: row[2])
    parts = {"train": late[:200], "valid": late[200:240], "test": late[240:]}
    files = {
        f"ml.{name}.inter": [header, *(f"{user}\t{item}\t4.0\t{time}" for user, item, time in rows)]
        for name, rows in parts.items()
    }
    files["ml.item"] = ["item_id:token\tmovie_title:token_seq", *(f"{n}\tFilm {n}" for n in range(1, 13))]
    folder = prepared("recbole", files)
    assert attributes(folder, "item", "title")["7"] == ["Film 7"]
    assert (folder / "train/interactions.csv").read_text().count("\n") == 200
    asked = [(folder / name / "evaluation.txt").read_text().count("eval_item") for name in ("valid", "test")]
    assert asked == [40, 60]
    raw = folder.parent / "raw"
    (raw / "ml.inter").write_text((raw / "ml.train.inter").read_text())
    with pytest.raises(SystemExit):
        main(["recbole", str(raw), "--output", str(folder)])
    assert "a whole log beside its splits" in capsys.readouterr().err
    main(["recbole", str(raw / "ml.inter"), "--output", str(folder), "--overwrite"])
    check_dataset(folder, texts(parts["train"]))


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_something_else_is_refused(tmp_path, capsys, name):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/other.csv").write_text("user,item\n1,2\n")
    for path in ("raw", "raw/other.csv"):
        with pytest.raises(SystemExit) as ended:
            main([name, str(tmp_path / path), "--output", str(tmp_path / "made")])
        assert ended.value.code == 2
        assert str(tmp_path / path) in capsys.readouterr().err


def test_each_preset_has_a_test():
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'prepared("{name}"' in source for name in PRESETS)
