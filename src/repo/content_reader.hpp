#pragma once

#include "format/content.hpp"
#include "repo/blob_reader.hpp"

#include <functional>

namespace backstay::core
{

/// Calls `each` for every chunk and hole in order, reading list pages as it goes; `offset` is the
/// item's place in the stream. False from `each` ends it. Memory: one page a level.
/// Throws Error{damaged} naming the page where depths or lengths do not fit, or it cannot be read.
void for_each_chunk(BlobReader& reader, const Content& content, const std::stop_token& stop,
                    const std::function<bool(std::uint64_t offset, const ContentItem&)>& each);

/// Calls `each` for every id that a content refers to, those of list pages, too (with their kind,
/// each before what it holds): for "is all of it known" and for marks. Throws as for_each_chunk.
void for_each_reference(BlobReader& reader, const Content& content, const std::stop_token& stop,
                        const std::function<void(const BlobId&, BlobKind)>& each);

/// The page that an item of a list of depth `depth` (> 0) stands for, checked against it.
/// Throws Error{damaged} naming the page.
Content read_content_page(BlobReader& reader, const ContentItem& item, std::uint8_t depth,
                          const std::stop_token& stop);

/// Throws Error{damaged} if a list is deeper than lists may be, holds an item without a length, or
/// is longer than 2^64 bytes. `subject` is what the error names.
void check_content(const Content& content, const std::string& subject);

} // namespace backstay::core
