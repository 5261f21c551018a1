#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"

#include <string>

namespace backstay::core
{

/// id, format version, created, encrypted, features, suite, chunker average, pack_size, role of the
/// open key, and the store's description.
Record describe_repository(Repository& repository, const std::stop_token& stop);

/// One object but a pack: name, size, type, features, class, epoch, signer, and what is in it,
/// decoded. A pack: its directory's figures.
Record describe_object(Repository& repository, const std::string& name,
                       const std::stop_token& stop);

/// An "object" record (name, size, modified) for each object of a kind: "packs", "index" …; "all".
Record list_objects(Repository& repository, const std::string& kind, JobContext& context);

} // namespace backstay::core
