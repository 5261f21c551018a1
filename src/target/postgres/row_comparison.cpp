#include "target/postgres/row_comparison.hpp"

#include "base/error.hpp"
#include "postgres/sql_text.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

/// As pg_dump sets them, so that values look the same.
constexpr const char* settings[] = {
    "SET DateStyle = ISO",          "SET IntervalStyle = postgres",
    "SET extra_float_digits = 3",   "SET synchronize_seqscans = off",
    "SET search_path = pg_catalog", "SET row_security = off",
};

/// "COPY … FROM stdin;" the other way round.
std::string copy_out(std::string_view copy_in)
{
    constexpr std::string_view from = " FROM stdin";
    const std::size_t at = copy_in.rfind(from);
    return at == std::string_view::npos ? std::string()
                                        : std::string(copy_in.substr(0, at)) + " TO STDOUT";
}

/// Bytes of a COPY, in whatever pieces they are wanted.
class CopyBytes
{
public:
    explicit CopyBytes(PostgresConnection& connection) : connection_(connection) {}

    /// Whether exactly these bytes come next.
    bool are_next(ByteSpan wanted)
    {
        while (!wanted.empty()) {
            if (rest_.empty() && !more()) {
                return false;
            }
            const std::size_t size = std::min(wanted.size(), rest_.size());
            if (!equal(wanted.first(size), rest_.first(size))) {
                return false;
            }
            wanted = wanted.subspan(size);
            rest_ = rest_.subspan(size);
        }
        return true;
    }
    bool at_end() { return rest_.empty() && !more(); }

private:
    bool more()
    {
        const std::optional<ByteSpan> piece = connection_.copy_read();
        rest_ = piece.value_or(ByteSpan());
        return piece && !rest_.empty();
    }

    PostgresConnection& connection_;
    ByteSpan rest_;
};

/// The rows of one table. Leaves the connection in the middle of a COPY if they differ.
bool is_same(PostgresConnection& connection, SnapshotView& view, const Entry& block,
             const std::string& copy, const std::stop_token& stop)
{
    connection.start(copy);
    if (connection.next_result() != PostgresConnection::Kind::copy_out) {
        return false;
    }
    CopyBytes bytes(connection);
    bool same = true;
    stream_pieces(
        view, block,
        [&](ByteSpan piece) {
            same = same && bytes.are_next(piece);
            return same;
        },
        stop);
    if (!same || !bytes.at_end()) {
        return false;
    }
    while (connection.next_result() != PostgresConnection::Kind::none) {
    }
    return true;
}

std::unique_ptr<PostgresConnection> connect(const PostgresConnectOptions& where,
                                            const PostgresToc& contents,
                                            const std::stop_token& stop)
{
    auto connection = std::make_unique<PostgresConnection>(where, stop);
    for (const char* setting : settings) {
        connection->query(setting);
    }
    for (const PostgresTocEntry& entry : contents.entries()) {
        if (entry.kind == "ENCODING") {
            for (const std::string_view statement : split_sql(entry.definition)) {
                connection->query(std::string(statement));
            }
        }
    }
    return connection;
}

} // namespace

void compare_rows(const PostgresConnectOptions& where, SnapshotView& view,
                  const SavedDatabase& database, const PostgresToc& contents,
                  const PostgresSelection& selection, const TargetEvents& events,
                  const std::stop_token& stop)
{
    std::unique_ptr<PostgresConnection> connection;
    for (const PostgresTocEntry* entry : selection.entries) {
        const std::optional<Entry> block =
            entry->has_rows() ? find_block(view, database, *entry) : std::nullopt;
        if (!block) {
            continue;
        }
        if (!connection) {
            connection = connect(where, contents, stop);
        }
        if (!is_same(*connection, view, *block, copy_out(entry->copy_statement), stop)) {
            if (events.problem) {
                events.problem({ErrorCode::target, block->path,
                                "differs from the snapshot: its rows are others"});
            }
            connection.reset();
        }
    }
}

} // namespace backstay::core
