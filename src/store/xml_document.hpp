#pragma once

#include "base/bytes.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// An element with its text and children; attributes and namespaces are left out.
struct XmlElement {
    std::string name; ///< without a prefix
    std::string text; ///< directly in it, all pieces joined
    std::vector<XmlElement> children;

    /// The first child of that name, or null.
    const XmlElement* find(std::string_view child) const;
    /// That child's text; empty if there is no such child.
    std::string text_of(std::string_view child) const;
};

/// A reply's limits: what AWS sends is far below.
struct XmlLimits {
    std::size_t bytes = 16 * MiB;
    std::size_t elements = 200'000;
    std::size_t depth = 16;
};

/// The root element of a whole UTF-8 document; empty if it is not well-formed, has a document type
/// (so there are no entities but the five of XML), or is beyond the limits. Blanks in front of it
/// are skipped: servers send them to keep a connection alive.
std::optional<XmlElement> parse_xml(ByteSpan document, const XmlLimits& limits = {});

/// Text as it may stand in an element or, between double quotes, in an attribute.
std::string xml_escaped(std::string_view text);

} // namespace backstay::core
