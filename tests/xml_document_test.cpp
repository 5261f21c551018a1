#include "store/xml_document.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

std::optional<XmlElement> parse(std::string_view text, const XmlLimits& limits = {})
{
    return parse_xml(as_bytes(text), limits);
}

} // namespace

TEST_CASE("a document becomes elements with their text")
{
    const auto root = parse(
        "\r\n  <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n  <s3:A xmlns:s3=\"u\" x='1'>"
        "<B>one</B><B>t&lt;w&#x6f;</B><C><![CDATA[<&]]></C><!-- no --><D/>\xe1\x88\xb4</s3:A>\n");
    REQUIRE(root.has_value());
    CHECK(root->name == "A");
    CHECK(root->text == "\u1234");
    REQUIRE(root->children.size() == 4);
    CHECK(root->text_of("B") == "one");
    CHECK(root->children[1].text == "t<wo");
    CHECK(root->text_of("C") == "<&");
    CHECK(root->text_of("D").empty());
    CHECK(root->find("E") == nullptr);
    CHECK(root->text_of("E").empty());
}

TEST_CASE("a document that is cut, broken or none is refused")
{
    const std::string whole = "<a><b>x</b><c d='1'/></a>";
    REQUIRE(parse(whole).has_value());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_FALSE(parse(whole.substr(0, size)).has_value());
    }
    for (const std::string text :
         {"<a></b>", "<a/><b/>", "<a>\xff</a>", "<a>&unknown;</a>", "<a>\x01</a>", "text",
          "<a b=c/>", "<a>&#0;</a>", "<a><?xml version='1.0'?></a>"}) {
        CAPTURE(text);
        CHECK_FALSE(parse(text).has_value());
    }
    CHECK_FALSE(parse_xml({}).has_value());
}

TEST_CASE("a document type, and so every entity of its own, is refused")
{
    CHECK_FALSE(parse("<!DOCTYPE a><a/>").has_value());
    CHECK_FALSE(parse("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>").has_value());
    CHECK_FALSE(parse("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>").has_value());
    CHECK_FALSE(
        parse("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>").has_value());
}

TEST_CASE("a document beyond a limit is refused")
{
    CHECK(parse("<a><b/><c/></a>", {.elements = 3}).has_value());
    CHECK_FALSE(parse("<a><b/><c/></a>", {.elements = 2}).has_value());
    CHECK_FALSE(parse("<a><b/><c/></a>", {.elements = 0}).has_value());
    CHECK(parse("<a><b><c/></b></a>", {.depth = 3}).has_value());
    CHECK_FALSE(parse("<a><b><c/></b></a>", {.depth = 2}).has_value());
    CHECK_FALSE(parse("<a/>", {.depth = 0}).has_value());
    CHECK(parse("<a/>", {.bytes = 4}).has_value());
    CHECK_FALSE(parse("<a/>", {.bytes = 3}).has_value());
    std::string deep;
    for (int i = 0; i < 100'000; ++i) {
        deep += "<a>";
    }
    CHECK_FALSE(parse(deep).has_value());
}

TEST_CASE("escaped text comes back from a document as it was")
{
    constexpr std::string_view text = "a&b <c> \"d\" &amp; ]]> 'e'";
    const auto root = parse("<a>" + xml_escaped(text) + "</a>");
    REQUIRE(root.has_value());
    CHECK(root->text == text);
    CHECK(xml_escaped("\"") == "&quot;");
}
