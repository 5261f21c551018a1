#include "canonical.hpp"
#include "postgres/archive_joiner.hpp"
#include "postgres/archive_names.hpp"
#include "postgres/archive_splitter.hpp"
#include "postgres/sql_text.hpp"

#include <algorithm>
#include <optional>

using namespace backstay::core;

namespace
{

/// An archive taken apart, and joined again; empty if it is kept whole.
std::optional<Bytes> rebuild(ByteSpan archive)
{
    std::size_t at = 0;
    PostgresArchiveSplitter splitter([&](MutableByteSpan to) {
        const std::size_t size = std::min(to.size(), archive.size() - at);
        std::copy_n(archive.begin() + static_cast<std::ptrdiff_t>(at), size, to.begin());
        at += size;
        return size;
    });
    Bytes out;
    Bytes buffer(100);
    std::optional<PostgresArchiveJoiner> joiner;
    while (const auto part = splitter.next()) {
        if (part->kind == PostgresArchiveSplitter::Part::Kind::contents) {
            joiner.emplace(*splitter.contents(), [&out](ByteSpan bytes) { append(out, bytes); });
        } else if (joiner) {
            joiner->begin_block(*part->entry);
        }
        std::size_t got = buffer.size();
        while (got == buffer.size()) {
            got = splitter.read(buffer);
            if (part->entry != nullptr && joiner) {
                joiner->add(ByteSpan(buffer).first(got));
            }
        }
        if (part->entry != nullptr && joiner) {
            joiner->end_block();
        }
    }
    if (!joiner) {
        return std::nullopt;
    }
    joiner->finish();
    return out;
}

} // namespace

// What joins is taken apart into the same: rows may be cut elsewhere, but only once.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const ByteSpan bytes(data, size);
    accepts([&] {
        const std::optional<Bytes> once = rebuild(bytes);
        if (once && rebuild(*once) != once) {
            found("an archive that was joined is another one the next time");
        }
    });
    const std::string_view text = as_text(bytes);
    for (const std::string_view statement : split_sql(text)) {
        sql_tokens(statement);
    }
    if (unescape_postgres_name(escape_postgres_name(text)) != text) {
        found("a name does not come back");
    }
    return 0;
}
