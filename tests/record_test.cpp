#include "base/record.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <nlohmann/json.hpp>

using namespace backstay::core;

TEST_CASE("a record is written as JSON in the order of its fields")
{
    Record inner;
    inner.set("deep", true);
    Record record("summary");
    record.set("count", 3)
        .set("big", std::numeric_limits<std::uint64_t>::max())
        .set("small", std::numeric_limits<std::int64_t>::min())
        .set("flag", false)
        .set("text", "a \"quoted\"\nline")
        .set("time", Timestamp{0, 500'000'000})
        .set("took", Seconds{2, 250'000'000})
        .set("whole", Seconds{3, 0})
        .set("inner", std::move(inner))
        .set("list", std::vector<std::string>{"a", "b"});
    CHECK(record.json() ==
          R"({"type":"summary","count":3,"big":9223372036854775807,"small":-9223372036854775808,)"
          R"("flag":false,"text":"a \"quoted\"\nline","time":"1970-01-01T00:00:00.5Z","took":2.25,)"
          R"("whole":3,"inner":{"deep":true},"list":["a","b"]})");
}

TEST_CASE("a path that is not UTF-8 is shown as text and kept whole beside it")
{
    Record record;
    record.set("path", RawText{"a\xff"}).set("plain", RawText{"b"});
    CHECK(record.json() == "{\"path\":\"a\xef\xbf\xbd\",\"path_b64\":\"Yf8=\",\"plain\":\"b\"}");
    CHECK(record.text("path") == "a\xff");
    Record text;
    text.set("message", std::string_view("bad \xc3("));
    CHECK_FALSE(nlohmann::json::parse(text.json(), nullptr, false).is_discarded());
}

TEST_CASE("raw text and lists of records come back from JSON as they were")
{
    Record record;
    record.set("odd", RawText{"a\xff"}).set("plain", RawText{"b"});
    Record list = Record::list();
    list.add(Record("first")).add_text("no record").add(Record("second"));
    record.set("list", std::move(list));
    const Record back = Record::from_json(record.json());
    CHECK(back.raw_text("odd") == "a\xff");
    CHECK(back.raw_text("plain") == "b");
    CHECK(back.raw_text("missing").empty());
    REQUIRE(back.records("list").size() == 2);
    CHECK(back.records("list")[1].text("type") == "second");
    CHECK(back.records("odd").empty());
}

TEST_CASE("fields are found by name, and of a wrong kind are as if not there")
{
    Record record("entry");
    record.set("size", 5).set("ok", true).set("name", "x").set("when", Timestamp{7, 1});
    CHECK(record.number("size") == 5);
    CHECK(record.number("ok") == 1);
    CHECK(record.number("when") == 7);
    CHECK(record.number("name", -1) == -1);
    CHECK(record.number("missing", -2) == -2);
    CHECK(record.text("name") == "x");
    CHECK(record.text("size", "none") == "none");
    CHECK(record.find("missing") == nullptr);
}

TEST_CASE("what JSON text says comes back as it was")
{
    for (const char* text :
         {R"({})", R"([])", R"([1,-2,true,"x",[],{"a":{}}])",
          R"({"type":"x","n":9223372036854775807,"m":-9223372036854775808,"s":"\u0000\u00e9"})"}) {
        CAPTURE(text);
        CHECK(nlohmann::json::parse(Record::from_json(text).json()) == nlohmann::json::parse(text));
    }
}

TEST_CASE("numbers beyond 63 bits, fractions and null come back as what they can")
{
    const Record record = Record::from_json(R"({"a":18446744073709551615,"b":1.5,"c":null})");
    CHECK(record.number("a") == std::numeric_limits<std::int64_t>::max());
    CHECK(record.text("b") == "1.5");
    CHECK(record.text("c") == "null");
}

TEST_CASE("text that is no JSON object or list is refused, however deep or long")
{
    const std::string deep(100'000, '[');
    const std::string closed = std::string(40, '[') + std::string(40, ']');
    const std::string spaces(17 << 20, ' ');
    const std::vector<std::string> all{
        "",   "{",    "1",    "\"x\"", "null",   "{\"a\":}", "{}x", "{\"a\":\"\xff\"}",
        deep, closed, spaces, "[1,]",  "{'a':1}"};
    for (const std::string& text : all) {
        CAPTURE(text.substr(0, 20));
        CHECK_THROWS_AS(Record::from_json(text), Error);
    }
    const std::string just = std::string(32, '[') + std::string(32, ']');
    CHECK(Record::from_json(just).json() == just);
}
