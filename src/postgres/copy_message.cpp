#include "postgres/copy_message.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::int64_t microseconds_from_1970_to_2000 = 946'684'800'000'000;
constexpr std::size_t longest_name = 4096;

[[noreturn]] void refuse()
{
    throw Error(ErrorCode::damaged, "the server sent a message that is none of its protocol");
}

/// Big-endian fields, one after the other.
class Fields
{
public:
    explicit Fields(ByteSpan bytes) : rest_(bytes) {}

    std::uint8_t byte() { return take(1)[0]; }
    std::uint64_t number()
    {
        std::uint64_t value = 0;
        for (const std::uint8_t byte : take(8)) {
            value = value << 8 | byte;
        }
        return value;
    }
    std::string text()
    {
        const auto end = std::find(rest_.begin(), rest_.end(), '\0');
        const auto size = static_cast<std::size_t>(end - rest_.begin());
        if (end == rest_.end() || size > longest_name) {
            refuse();
        }
        std::string text(as_text(take(size)));
        take(1);
        return text;
    }
    ByteSpan rest() { return take(rest_.size()); }
    void demand_end() const
    {
        if (!rest_.empty()) {
            refuse();
        }
    }

private:
    ByteSpan take(std::size_t size)
    {
        if (size > rest_.size()) {
            refuse();
        }
        const ByteSpan taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

    ByteSpan rest_;
};

std::int64_t time_of(std::uint64_t field)
{
    // A clock that is off by ages is no reason to overflow.
    const auto time = static_cast<std::int64_t>(field);
    return time > INT64_MAX - microseconds_from_1970_to_2000
               ? INT64_MAX
               : time + microseconds_from_1970_to_2000;
}

void append_number(Bytes& to, std::uint64_t number)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        to.push_back(static_cast<std::uint8_t>(number >> shift));
    }
}

} // namespace

BackupMessage decode_backup_message(ByteSpan message)
{
    Fields fields(message);
    BackupMessage result;
    switch (fields.byte()) {
    case 'n':
        result.kind = BackupMessage::Kind::archive;
        result.archive = fields.text();
        result.location = fields.text();
        break;
    case 'm':
        result.kind = BackupMessage::Kind::manifest;
        break;
    case 'd':
        result.kind = BackupMessage::Kind::data;
        result.data = fields.rest();
        break;
    case 'p':
        result.kind = BackupMessage::Kind::progress;
        result.bytes = fields.number();
        break;
    default:
        refuse();
    }
    fields.demand_end();
    return result;
}

LogMessage decode_log_message(ByteSpan message)
{
    Fields fields(message);
    LogMessage result;
    switch (fields.byte()) {
    case 'w':
        result.kind = LogMessage::Kind::data;
        result.begin = fields.number();
        result.end = fields.number();
        result.time = time_of(fields.number());
        result.data = fields.rest();
        break;
    case 'k':
        result.kind = LogMessage::Kind::keepalive;
        result.end = fields.number();
        result.time = time_of(fields.number());
        result.wants_reply = fields.byte() != 0;
        break;
    default:
        refuse();
    }
    fields.demand_end();
    return result;
}

Bytes encode_log_status(const LogStatus& status)
{
    Bytes message{'r'};
    append_number(message, status.written);
    append_number(message, status.flushed);
    append_number(message, 0); // applied: nothing ever is
    append_number(message,
                  static_cast<std::uint64_t>(status.time - microseconds_from_1970_to_2000));
    message.push_back(0); // no reply is asked for
    return message;
}

} // namespace backstay::core
