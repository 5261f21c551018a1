#include "postgres/log_stream.hpp"
#include "postgres/sql_text.hpp"

#include "base/clock.hpp"
#include "base/error.hpp"

#include <charconv>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

// wal_sender_timeout may be as short as some seconds on a wide network; the usual is a minute.
constexpr auto between_statuses = std::chrono::seconds(5);

std::int64_t microseconds_now()
{
    const Timestamp now = system_clock().now();
    return now.seconds * 1'000'000 + now.nanoseconds / 1000;
}

std::optional<LogStream::Next> next_of(const PostgresRows& rows)
{
    if (rows.rows() != 1 || rows.columns() != 2) {
        return std::nullopt;
    }
    LogStream::Next next;
    const std::string_view digits = rows.text(0, 0);
    std::from_chars(digits.data(), digits.data() + digits.size(), next.timeline);
    const auto position = parse_log_position(rows.text(0, 1));
    if (next.timeline == 0 || !position) {
        throw Error(ErrorCode::source, "the server gave a timeline that is none");
    }
    next.position = *position;
    return next;
}

} // namespace

LogStream::LogStream(PostgresConnection& connection, const Start& start)
    : connection_(connection), received_(start.position), last_status_(Clock::now())
{
    const std::string slot =
        start.slot.empty() ? "" : fmt::format("SLOT {} ", postgres_identifier(start.slot));
    connection_.start(fmt::format("START_REPLICATION {}PHYSICAL {} TIMELINE {}", slot,
                                  format_log_position(start.position), start.timeline));
    if (connection_.next_result() != PostgresConnection::Kind::copy_both) {
        throw Error(ErrorCode::source, "the server does not stream its log",
                    connection_.server_name());
    }
    keeper_ = Thread("backstay-alive", [this] { keep_alive(stop_.get_token()); });
}

LogStream::~LogStream()
{
    stop_.request_stop();
}

void LogStream::keep_alive(const std::stop_token& stop)
{
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        wake_.wait_for(lock, stop, between_statuses, [] { return false; });
        if (stop.stop_requested() || ended_) {
            return;
        }
        try {
            send_if_due();
        } catch (const Error&) {
            return; // whoever reads next finds out
        }
    }
}

void LogStream::send_status()
{
    connection_.copy_write(encode_log_status({received_, flushed_, microseconds_now()}));
    last_status_ = Clock::now();
}

void LogStream::send_if_due()
{
    if (Clock::now() - last_status_ >= between_statuses) {
        send_status();
    }
}

void LogStream::acknowledge(LogPosition flushed)
{
    const std::lock_guard lock(mutex_);
    flushed_ = flushed;
    send_status();
}

/// True if it brought data.
bool LogStream::take(ByteSpan message)
{
    const LogMessage decoded = decode_log_message(message);
    server_time_ = decoded.time;
    if (decoded.kind == LogMessage::Kind::keepalive) {
        if (decoded.wants_reply) {
            send_status();
        }
        return false;
    }
    if (decoded.begin != received_) {
        throw Error(ErrorCode::source,
                    fmt::format("the server's log has a gap: {} was to come, {} came",
                                format_log_position(received_), format_log_position(decoded.begin)),
                    connection_.server_name());
    }
    position_ = decoded.begin;
    data_ = decoded.data;
    received_ += decoded.data.size();
    return !data_.empty();
}

LogStream::Got LogStream::next(std::chrono::milliseconds longest)
{
    const auto deadline = Clock::now() + longest;
    const std::unique_lock lock(mutex_);
    for (;;) {
        send_if_due();
        ByteSpan message;
        switch (connection_.copy_poll(message)) {
        case PostgresConnection::Ready::data:
            if (take(message)) {
                return Got::data;
            }
            break;
        case PostgresConnection::Ready::end:
            ended_ = true;
            return Got::end;
        case PostgresConnection::Ready::not_yet: {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
            if (left.count() <= 0 || !connection_.wait_readable(left)) {
                return Got::nothing;
            }
        }
        }
    }
}

std::optional<LogStream::Next> LogStream::finish()
{
    const std::lock_guard lock(mutex_);
    if (!ended_) {
        connection_.copy_end();
        while (connection_.copy_read()) {
        }
        ended_ = true;
    }
    std::optional<Next> next;
    for (;;) {
        switch (connection_.next_result()) {
        case PostgresConnection::Kind::copy_in:
            connection_.copy_end(); // the server has ended its side of the COPY, not yet ours
            break;
        case PostgresConnection::Kind::rows:
            next = next_of(connection_.rows());
            break;
        case PostgresConnection::Kind::none:
            return next;
        default:
            break;
        }
    }
}

} // namespace backstay::core
