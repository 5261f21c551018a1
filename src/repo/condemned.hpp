#pragma once

#include "repo/repository.hpp"

#include <span>
#include <unordered_set>

namespace backstay::core
{

/// All that gc/ names at one moment: packs that must not be relied upon and sessions that are
/// spent, for ever. Plain value.
struct Condemned {
    std::unordered_set<PackId, IdHash> packs;
    std::unordered_set<SessionId, IdHash> sessions;
    std::uint64_t highest = 0;             ///< n of the last one
    std::array<std::uint8_t, 32> digest{}; ///< SHA-256 of the sorted names
};

/// Lists gc/ fresh and reads what is new. Throws Error{damaged} naming the object: nothing may be
/// decided without all of them.
Condemned read_condemned(Repository& repository, const std::stop_token& stop);
/// The same where gc/ was listed already, fresh.
Condemned read_condemned(Repository& repository, std::span<const ObjectInfo> listed,
                         const std::stop_token& stop);

/// Creates the next gc/<n> (trying the next number while it is taken) and returns n. Each session
/// named must have ended: protocol.md, "Forget".
std::uint64_t condemn(Repository& repository, const std::vector<PackId>& packs,
                      const std::vector<SessionId>& sessions, const std::stop_token& stop);

} // namespace backstay::core
