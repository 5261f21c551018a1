#include "store/xml_document.hpp"

#include <algorithm>
#include <expat.h>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace backstay::core
{

namespace
{

struct FreeParser {
    void operator()(XML_Parser parser) const noexcept { XML_ParserFree(parser); }
};
using Parser = std::unique_ptr<std::remove_pointer_t<XML_Parser>, FreeParser>;

struct Builder {
    XML_Parser parser;
    XmlLimits limits;
    std::size_t elements = 0;
    bool refused = false;
    std::optional<XmlElement> root;
    std::vector<XmlElement> open; ///< from the root down

    void refuse()
    {
        refused = true;
        XML_StopParser(parser, XML_FALSE);
    }
};

/// Runs a handler's body; nothing may unwind into expat.
template <typename Body>
void guarded(void* user_data, Body&& body) noexcept
{
    auto& builder = *static_cast<Builder*>(user_data);
    try {
        if (!builder.refused) { // a stopped parser may still call once
            body(builder);
        }
    } catch (const std::exception&) {
        builder.refuse();
    }
}

void XMLCALL on_start(void* user_data, const XML_Char* name, const XML_Char** /*attributes*/)
{
    guarded(user_data, [&](Builder& builder) {
        if (++builder.elements > builder.limits.elements ||
            builder.open.size() >= builder.limits.depth) {
            builder.refuse();
            return;
        }
        std::string_view local = name;
        const std::size_t colon = local.find(':');
        local.remove_prefix(colon == std::string_view::npos ? 0 : colon + 1);
        builder.open.push_back({std::string(local), {}, {}});
    });
}

void XMLCALL on_end(void* user_data, const XML_Char* /*name*/)
{
    guarded(user_data, [](Builder& builder) {
        XmlElement done = std::move(builder.open.back());
        builder.open.pop_back();
        if (builder.open.empty()) {
            builder.root = std::move(done);
        } else {
            builder.open.back().children.push_back(std::move(done));
        }
    });
}

void XMLCALL on_text(void* user_data, const XML_Char* text, int size)
{
    guarded(user_data, [&](Builder& builder) {
        builder.open.back().text.append(text, static_cast<std::size_t>(size));
    });
}

void XMLCALL on_document_type(void* user_data, const XML_Char* /*name*/, const XML_Char* /*system*/,
                              const XML_Char* /*public_id*/, int /*has_internal_subset*/)
{
    guarded(user_data, [](Builder& builder) { builder.refuse(); });
}

ByteSpan without_leading_blanks(ByteSpan document)
{
    const auto first = std::find_if(document.begin(), document.end(), [](std::uint8_t c) {
        return c != ' ' && c != '\t' && c != '\r' && c != '\n';
    });
    return document.subspan(static_cast<std::size_t>(first - document.begin()));
}

} // namespace

const XmlElement* XmlElement::find(std::string_view child) const
{
    for (const XmlElement& element : children) {
        if (element.name == child) {
            return &element;
        }
    }
    return nullptr;
}

std::string XmlElement::text_of(std::string_view child) const
{
    const XmlElement* element = find(child);
    return element == nullptr ? std::string() : element->text;
}

std::optional<XmlElement> parse_xml(ByteSpan document, const XmlLimits& limits)
{
    if (document.size() > limits.bytes) {
        return std::nullopt;
    }
    document = without_leading_blanks(document);
    const Parser parser(XML_ParserCreate("UTF-8"));
    if (!parser) {
        throw std::bad_alloc();
    }
    Builder builder{parser.get(), limits, 0, false, {}, {}};
    XML_SetUserData(parser.get(), &builder);
    XML_SetElementHandler(parser.get(), on_start, on_end);
    XML_SetCharacterDataHandler(parser.get(), on_text);
    XML_SetStartDoctypeDeclHandler(parser.get(), on_document_type);
    const auto size = static_cast<int>(document.size());
    const XML_Status status =
        XML_Parse(parser.get(), reinterpret_cast<const char*>(document.data()), size, XML_TRUE);
    if (status != XML_STATUS_OK || builder.refused) {
        return std::nullopt;
    }
    return std::move(builder.root);
}

std::string xml_escaped(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

} // namespace backstay::core
