#include "postgres/base_backup.hpp"
#include "postgres/sql_text.hpp"

#include "base/error.hpp"
#include "postgres/copy_message.hpp"

#include <charconv>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

using Kind = PostgresConnection::Kind;

constexpr int first_with_typed_copy = 150000;
constexpr const char* data_corrupted = "XX001";

template <typename Number>
std::optional<Number> decimal(std::string_view text)
{
    Number value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failed == std::errc() && end == text.data() + text.size() && !text.empty()
               ? std::optional(value)
               : std::nullopt;
}

LogPosition position_of(std::string_view text)
{
    const auto position = parse_log_position(text);
    if (!position) {
        throw Error(ErrorCode::source,
                    fmt::format("the server gave '{}' as a place in its log", text));
    }
    return *position;
}

} // namespace

std::string base_backup_command(const BaseBackupOptions& options, int server_version)
{
    const std::string label = postgres_literal(options.label);
    if (server_version >= first_with_typed_copy) {
        const std::string rate =
            options.rate_kib > 0 ? fmt::format(", MAX_RATE {}", options.rate_kib) : "";
        return fmt::format("BASE_BACKUP (LABEL {}, PROGRESS, CHECKPOINT '{}', WAIT 0, MANIFEST "
                           "'yes', MANIFEST_CHECKSUMS 'CRC32C'{}{})",
                           label, options.fast_checkpoint ? "fast" : "spread",
                           options.incremental ? ", INCREMENTAL" : "", rate);
    }
    const std::string rate =
        options.rate_kib > 0 ? fmt::format(" MAX_RATE {}", options.rate_kib) : "";
    return fmt::format("BASE_BACKUP LABEL {} PROGRESS{} NOWAIT{} MANIFEST 'yes' "
                       "MANIFEST_CHECKSUMS 'CRC32C'",
                       label, options.fast_checkpoint ? " FAST" : "", rate);
}

void upload_manifest(PostgresConnection& connection,
                     const std::function<std::size_t(MutableByteSpan)>& read)
{
    connection.start("UPLOAD_MANIFEST");
    if (connection.next_result() != Kind::copy_in) {
        throw Error(ErrorCode::source, "the server does not take a manifest",
                    connection.server_name());
    }
    Bytes buffer(64 * KiB);
    while (const std::size_t got = read(buffer)) {
        connection.copy_write(ByteSpan(buffer).first(got));
    }
    connection.copy_end();
    while (connection.next_result() != Kind::none) {
    }
}

BaseBackup::BaseBackup(PostgresConnection& connection, const BaseBackupOptions& options)
    : connection_(connection), is_typed_(connection.server_version() >= first_with_typed_copy)
{
    connection_.start(base_backup_command(options, connection_.server_version()));
    if (connection_.next_result(options.patience) != Kind::rows) {
        throw_unexpected();
    }
    const PostgresRows beginning = connection_.rows();
    begin_ = position_of(beginning.text(0, 0));
    timeline_ = decimal<std::uint32_t>(beginning.text(0, 1)).value_or(0);
    if (connection_.next_result() != Kind::rows) {
        throw_unexpected();
    }
    read_tablespaces();
    upcoming_ = connection_.next_result();
    if (upcoming_ != Kind::copy_out) {
        throw_unexpected();
    }
}

void BaseBackup::throw_unexpected() const
{
    throw Error(ErrorCode::source, "the server answered BASE_BACKUP in a way that is not known",
                connection_.server_name());
}

void BaseBackup::read_tablespaces()
{
    const PostgresRows rows = connection_.rows();
    for (int row = 0; row < rows.rows(); ++row) {
        Tablespace tablespace;
        tablespace.oid = decimal<std::uint32_t>(rows.text(row, 0)).value_or(0);
        tablespace.location = rows.text(row, 1);
        tablespace.bytes = decimal<std::uint64_t>(rows.text(row, 2)).value_or(0) * KiB;
        tablespaces_.push_back(std::move(tablespace));
    }
    if (tablespaces_.empty() || tablespaces_.back().oid != 0) {
        throw_unexpected();
    }
}

BaseBackup::Archive BaseBackup::archive_named(const std::string& name) const
{
    if (name == "base.tar") {
        return {false, 0};
    }
    const std::size_t end = name.find(".tar");
    const auto oid = end != std::string::npos
                         ? decimal<std::uint32_t>(std::string_view(name).substr(0, end))
                         : std::nullopt;
    if (!oid || *oid == 0) {
        throw_unexpected();
    }
    return {false, *oid};
}

std::optional<BaseBackup::Archive> BaseBackup::next_archive()
{
    while (in_archive_ && !read().empty()) {
    }
    return is_typed_ ? next_typed_archive() : next_plain_archive();
}

std::optional<BaseBackup::Archive> BaseBackup::next_typed_archive()
{
    // Outside of an archive read() stops at the next announcement.
    while (!announced_ && !copy_ended_) {
        if (!read().empty()) {
            throw_unexpected();
        }
    }
    in_archive_ = announced_.has_value();
    return std::exchange(announced_, std::nullopt);
}

std::optional<BaseBackup::Archive> BaseBackup::next_plain_archive()
{
    // One COPY a tablespace, and one for the manifest.
    if (archives_begun_ > tablespaces_.size()) {
        return std::nullopt;
    }
    if (upcoming_ != Kind::copy_out) {
        throw_unexpected();
    }
    in_archive_ = true;
    const std::size_t index = archives_begun_++;
    return index < tablespaces_.size() ? Archive{false, tablespaces_[index].oid} : Archive{true, 0};
}

ByteSpan BaseBackup::read()
{
    if (!is_typed_ && !in_archive_) {
        return {}; // the next COPY is another archive's
    }
    while (!announced_ && !copy_ended_) {
        const std::optional<ByteSpan> piece = connection_.copy_read();
        if (!piece) {
            // What the server says about the end of a COPY comes before what was missing in it.
            upcoming_ = connection_.next_result();
            in_archive_ = false;
            copy_ended_ = is_typed_;
            return {};
        }
        if (!is_typed_) {
            if (!piece->empty()) {
                return *piece;
            }
            continue;
        }
        const BackupMessage message = decode_backup_message(*piece);
        switch (message.kind) {
        case BackupMessage::Kind::archive:
            announced_ = archive_named(message.archive);
            break;
        case BackupMessage::Kind::manifest:
            announced_ = Archive{true, 0};
            break;
        case BackupMessage::Kind::data:
            if (!message.data.empty()) {
                return message.data;
            }
            break;
        case BackupMessage::Kind::progress:
            break;
        }
    }
    in_archive_ = false;
    return {};
}

BaseBackup::End BaseBackup::finish()
{
    End end;
    if (upcoming_ != Kind::rows) {
        throw_unexpected();
    }
    end.position = position_of(connection_.rows().text(0, 0));
    try {
        for (Kind kind = connection_.next_result(); kind != Kind::none;
             kind = connection_.next_result()) {
        }
    } catch (const Error&) {
        if (connection_.sqlstate() != data_corrupted) {
            throw;
        }
        end.pages_damaged = true;
    }
    return end;
}

} // namespace backstay::core
