#include "store/aws_credential_source.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <condition_variable>
#include <fmt/core.h>
#include <limits>
#include <mutex>
#include <optional>

namespace backstay::core
{

namespace
{

constexpr std::int64_t longest_lead = 300; // seconds before the end; IMDS has new ones by then
constexpr std::int64_t pause_after_failure = 60;
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

/// What an Error says, for other threads to throw: exceptions themselves stay in their thread.
struct Failure {
    ErrorCode code;
    std::string message;
    std::string subject;
};

} // namespace

struct AwsCredentialSource::State {
    explicit State(AwsCredentialOptions given) : options(std::move(given)) {}

    const AwsCredentialOptions options;

    std::mutex mutex; // guards all below
    std::condition_variable_any changed;
    bool looking = false;
    std::uint64_t looks = 0;        ///< that ended
    std::optional<Failure> failure; ///< of the last one
    bool was_stopped = false;       ///< it failed because its caller was stopped
    std::shared_ptr<const AwsCredentials> current;
    std::int64_t renew_at = 0; ///< seconds since 1970
    std::int64_t valid_until = 0;

    std::int64_t now() const { return options.clock->now().seconds; }
    bool is_valid() const { return current != nullptr && now() < valid_until; }

    void demand_valid(const AwsCredentials& found) const
    {
        if (found.expiration && found.expiration->seconds <= now()) {
            throw Error(ErrorCode::unavailable,
                        fmt::format("{} gave credentials that have expired already", found.origin),
                        found.origin);
        }
    }

    void take(std::shared_ptr<const AwsCredentials> found)
    {
        valid_until = found->expiration ? found->expiration->seconds : never;
        const std::int64_t lead =
            std::clamp<std::int64_t>((valid_until - now()) / 5, 0, longest_lead);
        renew_at = valid_until == never ? never : valid_until - lead;
        current = std::move(found);
    }

    /// Looks once, with the lock given up meanwhile. A failure is not thrown as long as what is
    /// there is valid.
    std::shared_ptr<const AwsCredentials> look(std::unique_lock<std::mutex>& lock,
                                               const std::stop_token& stop)
    {
        looking = true;
        lock.unlock();
        try {
            auto found =
                std::make_shared<const AwsCredentials>(find_aws_credentials(options, stop));
            demand_valid(*found);
            lock.lock();
            take(std::move(found));
            end_look(std::nullopt, stop);
        } catch (const Error& e) {
            lock.lock();
            end_look(Failure{e.code(), e.what(), e.subject()}, stop);
            if (!is_valid()) {
                throw;
            }
            renew_at = now() + pause_after_failure;
        } catch (...) {
            lock.lock();
            end_look(Failure{ErrorCode::internal, "credentials could not be looked for", {}}, stop);
            throw;
        }
        return current;
    }

    void end_look(std::optional<Failure> failed, const std::stop_token& stop)
    {
        failure = std::move(failed);
        was_stopped = failure && stop.stop_requested();
        looking = false;
        ++looks;
        changed.notify_all();
    }

    /// Waits for the look that is going on.
    void wait_for_other(std::unique_lock<std::mutex>& lock, const std::stop_token& stop)
    {
        const std::uint64_t before = looks;
        if (!changed.wait(lock, stop, [&] { return looks != before; })) {
            throw Error(ErrorCode::cancelled, "cancelled");
        }
    }
};

AwsCredentialSource::AwsCredentialSource(AwsCredentialOptions options)
    : state_(std::make_unique<State>(std::move(options)))
{
}

AwsCredentialSource::~AwsCredentialSource() = default;

std::shared_ptr<const AwsCredentials> AwsCredentialSource::get(const std::stop_token& stop)
{
    State& state = *state_;
    std::unique_lock lock(state.mutex);
    while (true) {
        if (state.is_valid() && (state.now() < state.renew_at || state.looking)) {
            return state.current;
        }
        if (!state.looking) {
            return state.look(lock, stop);
        }
        state.wait_for_other(lock, stop);
        if (state.failure && !state.was_stopped && !state.is_valid()) {
            throw Error(state.failure->code, state.failure->message, state.failure->subject);
        }
    }
}

void AwsCredentialSource::reject(const AwsCredentials& used)
{
    State& state = *state_;
    const std::lock_guard lock(state.mutex);
    const bool is_current = state.current && state.current->access_key == used.access_key &&
                            state.current->session_token == used.session_token;
    if (is_current) {
        state.current = nullptr;
    }
}

} // namespace backstay::core
