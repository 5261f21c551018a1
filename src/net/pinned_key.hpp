#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// The SHA-256 of a public key in base64.
bool is_pinned_key(std::string_view text);

/// Keys as curl's --pinnedpubkey takes them, "sha256//BASE64", several with ';' between: without
/// the front, as in TlsOptions. Throws Error{invalid} for anything else.
std::vector<std::string> parse_pinned_keys(std::string_view text);

} // namespace backstay::core
