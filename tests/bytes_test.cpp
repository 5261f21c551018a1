#include "base/bytes.hpp"

#include <doctest/doctest.h>
#include <unordered_set>

using namespace backstay::core;

TEST_CASE("hexadecimal text comes back as the bytes it was made of")
{
    Bytes all;
    for (unsigned byte = 0; byte < 256; ++byte) {
        all.push_back(static_cast<std::uint8_t>(byte));
    }
    const std::string text = to_hex(all);
    CHECK(text.substr(0, 8) == "00010203");
    CHECK(text.substr(504) == "fcfdfeff");
    CHECK(from_hex(text) == all);
    CHECK(from_hex("") == Bytes{});
}

TEST_CASE("what is not lower-case hexadecimal is refused")
{
    for (const char* text : {"0", "abc", "AB", "0g", "g0", " 0", "0x", "-1", "\xff\xff"}) {
        CAPTURE(text);
        CHECK_FALSE(from_hex(text));
    }
}

TEST_CASE("an id is parsed from 64 digits and from nothing else")
{
    const std::string text(64, 'a');
    const std::optional<PackId> id = PackId::parse(text);
    REQUIRE(id);
    CHECK(id->hex() == text);
    CHECK_FALSE(PackId::parse(text.substr(1)));
    CHECK_FALSE(PackId::parse(text.substr(2)));
    CHECK_FALSE(PackId::parse(text + "aa"));
    CHECK_FALSE(PackId::parse("A" + text.substr(1)));
}

TEST_CASE("ids sort like their hexadecimal text and serve as keys")
{
    const PackId low = *PackId::parse("7f" + std::string(62, 'f'));
    const PackId high = *PackId::parse("80" + std::string(62, '0'));
    CHECK(low < high);
    const std::unordered_set<PackId, IdHash> ids{low, high, low};
    CHECK(ids.size() == 2);
}

TEST_CASE("base64 gives RFC 4648's test vectors")
{
    CHECK(to_base64({}).empty());
    CHECK(to_base64(as_bytes("f")) == "Zg==");
    CHECK(to_base64(as_bytes("fo")) == "Zm8=");
    CHECK(to_base64(as_bytes("foo")) == "Zm9v");
    CHECK(to_base64(as_bytes("foob")) == "Zm9vYg==");
    CHECK(to_base64(as_bytes("fooba")) == "Zm9vYmE=");
    CHECK(to_base64(as_bytes("foobar")) == "Zm9vYmFy");
    CHECK(to_base64(Bytes{0xfb, 0xff, 0xbf}) == "+/+/");
    for (const char* text : {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "+/+/"}) {
        CAPTURE(text);
        const auto bytes = from_base64(text);
        REQUIRE(bytes);
        CHECK(to_base64(*bytes) == text);
    }
}

TEST_CASE("what is not base64 is refused")
{
    for (const char* text :
         {"Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "Z===", "====", "Zm9v\n", "Zm 9", "Zm9v="}) {
        CAPTURE(text);
        CHECK_FALSE(from_base64(text));
    }
}

TEST_CASE("UTF-8 is told from what only looks like it")
{
    for (const std::string_view good :
         {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
          "a\xc3\xbc"
          "b"}) {
        CAPTURE(to_hex(as_bytes(good)));
        CHECK(is_utf8(good));
    }
    using namespace std::string_view_literals;
    for (const std::string_view bad :
         {"\x80"sv, "\xc3"sv, "\xc3z"sv, "a\xe2\x82"sv, "\xc0\xaf"sv, "\xc1\xbf"sv,
          "\xe0\x9f\xbf"sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xf0\x8f\xbf\xbf"sv,
          "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv, "a\0b"sv}) {
        CAPTURE(to_hex(as_bytes(bad)));
        CHECK_FALSE(is_utf8(bad));
    }
}

TEST_CASE("empty spans are equal, whatever they point to")
{
    const Bytes some{1, 2};
    CHECK(equal({}, {}));
    CHECK(equal({}, ByteSpan(some).first(0)));
    CHECK_FALSE(equal({}, some));
    CHECK_FALSE(equal(some, Bytes{1, 3}));
}
