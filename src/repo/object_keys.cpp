#include "repo/object_keys.hpp"

#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

std::string config_key(std::uint64_t number)
{
    return fmt::format("config/{}", number);
}
std::string keyring_key(std::uint64_t epoch)
{
    return fmt::format("keyring/{}", epoch);
}
std::string slot_key(const SlotId& id)
{
    return "keys/" + id.hex();
}
std::string snapshot_key(const SessionId& id)
{
    return "snapshots/" + id.hex();
}
std::string session_key(const SessionId& id)
{
    return "sessions/" + id.hex();
}
std::string note_key(const SessionId& id)
{
    return "notes/" + id.hex();
}
std::string segment_key(const SegmentId& id)
{
    return "index/" + id.hex();
}
std::string condemnation_key(std::uint64_t n)
{
    return fmt::format("gc/{:016}", n);
}

std::string pack_key(const PackId& id)
{
    const std::string hex = id.hex();
    return "packs/" + hex.substr(0, 2) + "/" + hex;
}

std::optional<PackId> parse_pack_key(std::string_view key)
{
    const std::size_t slash = key.rfind('/');
    const auto id =
        slash == std::string_view::npos ? std::nullopt : PackId::parse(key.substr(slash + 1));
    return id && pack_key(*id) == key ? id : std::nullopt;
}

std::optional<std::uint64_t> parse_numbered_key(std::string_view folder, std::string_view key)
{
    if (!key.starts_with(folder)) {
        return std::nullopt;
    }
    const std::string_view digits = key.substr(folder.size());
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    const bool as_written = folder == "gc/" ? condemnation_key(number) == key
                                            : fmt::format("{}{}", folder, number) == key;
    return as_written ? std::optional(number) : std::nullopt;
}

} // namespace backstay::core
