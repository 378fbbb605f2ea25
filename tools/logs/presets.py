"""Public data sets whose columns are known. The next one is an entry here, and a test on rows in its true form.

A data set has one or several forms, since its editions differ; the one counts whose files are there and whose first
line looks as `begins` says.
"""

from typing import Any

from tools.logs.edition import Edition, Preset, counted, log_form
from tools.logs.form import Form
from tools.logs.tables import Table

GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
ASIN = r"(?:B0\w{8}|\d{9}[\dX])"
PLAIN: dict[str, Any] = {"header": False, "quote": ""}
COMMAS = PLAIN | {"separator": ","}
BARRED, COLONS = Form({}, separator="|", header=False, quote=""), Form({}, separator="::", header=False, quote="")
MOVIES = {"title": "2", "genres": "3|"}
# fmt: off
PRESETS = {
    "movielens": Preset(
        "MovieLens 100K, 1M, 10M, 20M, 25M or 32M",
        (
            Edition(
                ("u.data",), log_form("1", "2", "4", separator="\t", **PLAIN), r"\d+\t\d+\t\d\t\d+", "3", Table(
                    "1", {"title": "2"}, "genres", ("u.item",), BARRED,
                    {str(place): genre for place, genre in enumerate(GENRES, 6)}),
                Table("1", {"age": "2", "gender": "3", "occupation": "4"}, "", ("u.user",), BARRED)),
            Edition(
                ("ratings.dat",), log_form("1", "2", "4", separator="::", **PLAIN), r"\d+::\d+::[\d.]+::\d+", "3",
                Table("1", MOVIES, "genres", ("movies.dat",), COLONS),
                Table("1", {"gender": "2", "age": "3", "occupation": "4"}, "", ("users.dat",), COLONS)),
            Edition(
                ("ratings.csv", "rating.csv"), log_form("userId", "movieId", "timestamp"), r'"?userId"?,"?movieId',
                "rating",
                Table("movieId", {"title": "title", "genres": "genres|"}, "genres", ("movies.csv", "movie.csv"))),
        ),
    ),
    "amazon": Preset(
        "Amazon's reviews of 2014, 2018 or 2023, or their ratings alone",
        (
            Edition(
                ("*.json", "*.json.gz", "*.jsonl", "*.jsonl.gz"), log_form("user_id", "parent_asin", "timestamp"),
                r"(?=.*[\"']user_id[\"']).*[\"']parent_asin[\"']", "rating"),
            Edition(
                ("*.json", "*.json.gz"), log_form("reviewerID", "asin", "unixReviewTime"), r".*[\"']reviewerID[\"']",
                "overall"),
            Edition(
                ("*.csv", "*.csv.gz"), log_form("user_id", "parent_asin", "timestamp"), "user_id,parent_asin,", "rating"
            ),
            Edition(("*.csv",), log_form("1", "2", "4", **COMMAS), rf"A\w{{10,}},{ASIN},", "3"),  # of 2014
            Edition(("*.csv",), log_form("2", "1", "4", **COMMAS), rf"{ASIN},A\w{{10,}},", "3"),  # of 2018
        ),
    ),
    "taobao": Preset(
        "Taobao's UserBehavior.csv",
        (
            Edition(
                ("*",), log_form(
                    "user", "item", "timestamp", "category", separator=",", quote="",
                    names=["user", "item", "category", "behavior", "timestamp"], header=False,
                    where=counted("behavior", "pv")),
                r"[^,]*,[^,]*,[^,]*,(pv|cart|fav|buy),"),
        ),
    ),
    "tmall": Preset(
        "Tmall's user log of IJCAI-15 (data_format1); what counts: --where action_type=0, the clicks",
        (
            Edition(
                ("user_log_format1.csv*",),
                log_form("user_id", "item_id", "time_stamp", "cat_id", where=counted("action_type", "0")),
                "user_id,item_id,cat_id,",
                users=Table("user_id", {"age_range": "age_range", "gender": "gender"}, "", ("user_info_format1.csv*",)),
            ),
        ),
    ),
    "retailrocket": Preset(
        "RetailRocket's events.csv; what counts: all, or --where event=transaction,addtocart",
        (
            Edition(
                ("events.csv*",), log_form("visitorid", "itemid", "timestamp"), "timestamp,visitorid,event,itemid",
                items=Table(
                    "itemid", {"category": "value"}, "category", ("item_properties_part*.csv*",),
                    Form({}, where=counted("property", "categoryid")))),
        ),
    ),
    "yoochoose": Preset(
        "Yoochoose's clicks of RecSys 2015; a session is a user",
        (
            Edition(
                ("yoochoose-clicks.dat*",), log_form("1", "3", "2", "4", **COMMAS), r"\d+,\d{4}-\d\d-\d\dT"
            ),
        ),
    ),
    "diginetica": Preset(
        "Diginetica's item views of CIKM 2016; a session is a user",
        tuple(
            Edition(
                ("train-item-views.csv*",), log_form(session, item, "timeframe", separator=";"), f"{session};",
                items=Table(
                    key, {"category": category}, "category", ("product-categories.csv*",), Form({}, separator=";")),
            )
            for session, item, key, category in (
                ("sessionId", "itemId", "itemId", "categoryId"), ("session_id", "item_id", "itemId", "categoryId"))
        ),
    ),
    "hm": Preset(
        "H&M's transactions, with articles and customers",
        (
            Edition(
                ("transactions_train.csv*",), log_form("customer_id", "article_id", "t_dat"),
                "t_dat,customer_id,article_id", items=Table(
                    "article_id", {
                        "title": "prod_name", "product_type": "product_type_name", "colour": "colour_group_name",
                        "department": "department_name"},
                    "product_type", ("articles.csv*",)),
                users=Table("customer_id", {"age": "age", "club": "club_member_status"}, "", ("customers.csv*",))),
        ),
    ),
    "yelp": Preset(
        "Yelp's reviews, with businesses",
        (
            Edition(
                ("*review.json*",), log_form("user_id", "business_id", "date"), r'.*"business_id"', "stars", Table(
                    "business_id", {"title": "name", "categories": "categories|, ", "city": "city"}, "categories",
                    ("*business.json*",))),
        ),
    ),
    "gowalla": Preset(
        "Gowalla's check-ins, or Brightkite's",
        (
            Edition(
                ("loc-*totalcheckins.txt*",), log_form("1", "5", "2", separator="\t", **PLAIN),
                r"\d+\t\d{4}-\d\d-\d\dT[\d:]+Z\t"),
        ),
    ),
    "lastfm": Preset(
        "Last.fm 1K; an item is a track",
        (
            Edition(
                ("userid-timestamp-artid-artname-traid-traname.tsv*",),
                log_form("1", "5", "2", separator="\t", **PLAIN)._replace(
                    columns={"user": "1", "item": "5", "time": "2", "attribute title": "6", "category": "4"}),
                r"user_\d+\t\d{4}-", users=Table(
                    "#id", {name: name for name in ("gender", "age", "country")}, "", ("userid-profile.tsv*",),
                    Form({}, separator="\t", quote=""))),
        ),
    ),
    "steam": Preset(
        "Steam's reviews, with games",
        (
            Edition(
                ("steam_reviews.json*", "steam_new.json*"), log_form("username", "product_id", "date"),
                r".*[\"']product_id[\"']", items=Table(
                    "id", {"title": "app_name", "genres": "genres|", "developer": "developer"}, "genres",
                    ("steam_games.json*",))),
        ),
    ),
    "rees46": Preset(
        "REES46's events of a shop by months; what counts: views, or --where event_type=cart,purchase",
        (
            Edition(
                ("20*.csv*", "*events.csv*"),
                log_form("user_id", "product_id", "event_time", where=counted("event_type", "view"))._replace(
                    columns={
                        "user": "user_id", "item": "product_id", "time": "event_time", "category": "category_code",
                        "attribute brand": "brand"}),
                "event_time,event_type,product_id"),
        ),
    ),
    "book-crossing": Preset(
        "Book-Crossing's ratings; no times, so the order is the file's",
        (
            Edition(
                ("bx-book-ratings.csv", "ratings.csv"), log_form("User-ID", "ISBN"), '"?User-ID"?[;,]"?ISBN',
                "Book-Rating", Table(
                    "ISBN", {"title": "Book-Title", "author": "Book-Author", "publisher": "Publisher"}, "",
                    ("bx-books.csv", "bx_books.csv"), Form({}, separator=";", escape="\\")),
                note="Book-Crossing has no times: which book came first is not known, and figures on it mean little",
            ),
        ),
    ),
    "kuairand": Preset(
        "KuaiRand Pure, 1K or 27K; what counts: is_click=1 of the standard logs",
        (
            Edition(
                ("log_standard_*.csv*",), log_form("user_id", "video_id", "time_ms", where=counted("is_click", "1")),
                "user_id,video_id,date,", items=Table(
                    "video_id", {"tag": "tag|,", "author": "author_id", "video_type": "video_type"}, "tag",
                    ("video_features_basic*.csv*",)),
                users=Table("user_id", {"activity": "user_active_degree"}, "", ("user_features*.csv*",))),
        ),
    ),
    "tenrec": Preset(
        "Tenrec's QB or QK videos and articles; no times, so the order is the file's; what counts: click=1",
        (
            Edition(
                ("q[bk]-video.csv*", "ctr_data_1m.csv*"),
                Form({"user": "user_id", "item": "item_id", "category": "video_category"}, where=counted("click", "1")),
                "user_id,item_id,click,.*video_category"),
            Edition(
                ("q[bk]-article.csv*",), log_form("user_id", "item_id", where=counted("click", "1")),
                "user_id,item_id,click,"),
        ),
    ),
    "recbole": Preset("RecBole's atomic files: NAME.inter, .item and .user, or .train.inter and so on", ()),
}
# fmt: on
