#pragma once

#include "engine/job_context.hpp"
#include "engine/marks.hpp"
#include "repo/pack_rewriter.hpp"

#include <vector>

namespace backstay::core
{

/// Blobs that are used and lie in condemned packs alone.
struct Stranded {
    BlobId id{};
    BlobPlace place; ///< in a condemned pack
};

/// What must be copied before the condemned packs of `index` go. Sorted by pack, frame, offset;
/// each blob once.
std::vector<Stranded> find_stranded(const BlobIndex& index, const Marks& marks);

/// Copies them to new packs, several threads at a time: frames that are needed whole as they are,
/// others blob by blob. Throws Error{damaged} naming a blob that cannot be read anywhere.
PackRewriter::Stored copy_forward(BlobReader& reader, const std::vector<Stranded>& stranded,
                                  int compression, const EngineLimits& limits,
                                  const std::stop_token& stop);

} // namespace backstay::core
