#include "engine/unread_objects.hpp"

namespace backstay::core
{

namespace
{

/// Each of them has been tried again for minutes.
constexpr int most_unavailable_in_a_row = 16;

} // namespace

void UnreadObjects::pass_over(const std::string& key, const std::function<void()>& read)
{
    try {
        read();
        unavailable_in_a_row_ = 0;
    } catch (const Error& error) {
        const bool is_away = error.code() == ErrorCode::unavailable;
        if (!is_away && error.code() != ErrorCode::denied) {
            throw;
        }
        if (is_away && ++unavailable_in_a_row_ >= most_unavailable_in_a_row) {
            throw;
        }
        ++count_;
        tell_(key, error.code(), std::string("could not be read: ") + error.what());
    }
}

const char* verdict_of(std::uint64_t problems, std::uint64_t unread)
{
    return problems == 0 ? "ok" : problems == unread ? "problems" : "damaged";
}

} // namespace backstay::core
