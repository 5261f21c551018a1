#pragma once

#include "store/object_store.hpp"

#include <memory>
#include <string>

namespace backstay::core
{

enum class StoreUse { open_existing, create };

/// Opens what `uri` names: a path, file:///path; s3… once that is built in. A URL with
/// user:password is refused with the way to do it. Throws Error{invalid} for a scheme that nobody
/// knows, Error{unsupported} for one this build lacks.
std::shared_ptr<ObjectStore> open_store_uri(const std::string& uri, StoreUse use);

} // namespace backstay::core
