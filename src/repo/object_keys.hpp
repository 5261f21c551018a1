#pragma once

#include "base/bytes.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace backstay::core
{

// Where each kind of object lies. docs/format.md, "Objects".

std::string config_key(std::uint64_t number); ///< config/<n>
std::string keyring_key(std::uint64_t epoch); ///< keyring/<epoch>
std::string slot_key(const SlotId& id);
std::string snapshot_key(const SessionId& id);
std::string session_key(const SessionId& id);
std::string note_key(const SessionId& id);
std::string segment_key(const SegmentId& id);
std::string pack_key(const PackId& id); ///< packs/<xx>/<id>
std::string
condemnation_key(std::uint64_t n); ///< gc/<16 decimal digits>, so that byte order is numeric order

std::optional<PackId> parse_pack_key(std::string_view key);

/// The number behind `folder` ("config/") in a key of config/, keyring/ or gc/; empty if it is
/// none, or not written the way the functions above write it.
std::optional<std::uint64_t> parse_numbered_key(std::string_view folder, std::string_view key);

/// The id behind `folder` ("snapshots/"); empty if it is none.
template <typename IdType>
std::optional<IdType> parse_id_key(std::string_view folder, std::string_view key)
{
    return key.starts_with(folder) ? IdType::parse(key.substr(folder.size())) : std::nullopt;
}

} // namespace backstay::core
