#pragma once

#include "store/object_store.hpp"

#include <stop_token>
#include <string>

namespace backstay::core
{

/// Creates `key` so that a lost answer does not matter: it is asked for once more, and what stands
/// there is compared. True: `object` stands there, durable. False: something else does (or did: it
/// may have gone since). Throws what the store throws.
bool create_own(ObjectStore& store, const std::string& key, ByteSpan object,
                const std::stop_token& stop);

} // namespace backstay::core
