#include "store/retrying_store.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/worker_group.hpp"
#include "store/adaptive_gate.hpp"
#include "store/transient_error.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <fmt/core.h>
#include <mutex>

namespace backstay::core
{

namespace
{

constexpr double seconds_between_words = 10;

/// Waits, but not beyond a stop.
void pause(double seconds, const std::stop_token& stop)
{
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, std::chrono::duration<double>(seconds), [] { return false; });
    throw_if_stopped(stop);
}

double random_fraction()
{
    std::uint32_t word = 0;
    fill_random({reinterpret_cast<std::uint8_t*>(&word), sizeof word});
    return word / 4294967296.0;
}

/// Lets so many bytes a second pass; who brings some waits for the time that they take.
/// Thread-safe.
class Pace
{
public:
    /// `waiting` must outlive it.
    Pace(std::uint64_t rate, const Waiting& waiting)
        : rate_(static_cast<double>(rate)), waiting_(waiting), next_(waiting.now())
    {
    }

    void take(std::size_t bytes, const std::stop_token& stop)
    {
        if (rate_ <= 0) {
            return;
        }
        double wait = 0;
        {
            const std::lock_guard lock(mutex_);
            const double now = waiting_.now();
            next_ = std::max(next_, now) + static_cast<double>(bytes) / rate_;
            wait = next_ - now;
        }
        if (wait > 0) {
            waiting_.pause(wait, stop);
        }
    }

private:
    const double rate_;
    const Waiting& waiting_;
    std::mutex mutex_; // guards next_
    double next_;
};

/// What retries may cost, all together. Thread-safe.
class RetryBudget
{
public:
    explicit RetryBudget(double most) : most_(most), left_(most) {}

    bool take(double cost)
    {
        const std::lock_guard lock(mutex_);
        if (left_ < cost) {
            return false;
        }
        left_ -= cost;
        return true;
    }
    void give(double amount)
    {
        const std::lock_guard lock(mutex_);
        left_ = std::min(most_, left_ + amount);
    }

private:
    const double most_;
    std::mutex mutex_; // guards left_
    double left_;
};

/// Throws the error that is being handled, with how often it was met.
[[noreturn]] void give_up(const Error& error, int attempts, double seconds)
{
    if (attempts == 1) {
        throw;
    }
    Error told(error.code(),
               fmt::format("{} ({} attempts in {:.0f} s)", error.what(), attempts, seconds),
               error.subject(), error.system_error());
    told.set_host_tag(error.host_tag());
    throw told;
}

} // namespace

Waiting real_waiting()
{
    return {monotonic_seconds, pause};
}

struct RetryingStore::State {
    std::shared_ptr<ObjectStore> inner;
    RetryPolicy policy;
    Waiting waiting;
    Pace upload;
    Pace download;
    AdaptiveGate gate;
    RetryBudget budget;
    std::atomic<std::uint64_t> retries = 0;
    const Tell tell;
    std::mutex telling; // guards told
    std::optional<double> told;

    State(std::shared_ptr<ObjectStore> store, RetryPolicy how, Limits limits, Waiting how_to_wait,
          Tell how_to_tell)
        : inner(std::move(store)), policy(how), waiting(std::move(how_to_wait)),
          upload(limits.upload_bytes_per_second, waiting),
          download(limits.download_bytes_per_second, waiting), gate(limits.concurrency),
          budget(how.budget), tell(std::move(how_to_tell))
    {
    }

    /// `list_into(keep)` lists once. A list that broke off is begun again: what it gave before
    /// must not come twice.
    template <typename ListInto>
    void list(ListInto&& list_into, const std::function<void(const ObjectInfo&)>& each,
              const std::stop_token& stop)
    {
        std::vector<ObjectInfo> all;
        run(stop, [&](const Course&) {
            all.clear();
            list_into([&all](const ObjectInfo& object) { all.push_back(object); });
        });
        for (const ObjectInfo& object : all) {
            throw_if_stopped(stop);
            each(object);
        }
    }

    /// The attempts of one operation, and what they cost.
    struct Course {
        int attempts = 0;
        double began = 0;
        std::optional<double> first_failure;
        double held_back = 0; ///< by ourselves, which is no fault of the store
        double spent = 0;
        double next_pause = 0;
    };

    /// Says at the end of an attempt that succeeded what that means for those to come.
    class Settle
    {
    public:
        Settle(State& state, const Course& course)
            : state_(state), course_(course), thrown_(std::uncaught_exceptions())
        {
        }
        ~Settle()
        {
            if (std::uncaught_exceptions() == thrown_) {
                state_.gate.succeeded();
                state_.budget.give(std::max(course_.spent, 1.0));
            }
        }
        Settle(const Settle&) = delete;
        Settle& operator=(const Settle&) = delete;

    private:
        State& state_;
        const Course& course_;
        const int thrown_;
    };

    /// Runs `operation(course)` until it works, fails for good, or has been tried often enough.
    template <typename Operation>
    auto run(const std::stop_token& stop, Operation&& operation)
    {
        Course course;
        course.began = waiting.now();
        for (;;) {
            throw_if_stopped(stop);
            double pause_at_least = 0;
            try {
                const double before = waiting.now();
                const GatePlace place(gate, stop);
                course.held_back += waiting.now() - before;
                const Settle settle(*this, course);
                ++course.attempts;
                return operation(course);
            } catch (const Error& error) {
                pause_at_least = judge(error, course);
            }
            const double drawn = course.next_pause * random_fraction();
            waiting.pause(std::max(pause_at_least, drawn), stop);
            course.next_pause = std::min(course.next_pause * 2, policy.longest_pause);
            ++retries;
        }
    }

    /// Throws what is not to be tried again; else how long to wait at least.
    double judge(const Error& error, Course& course)
    {
        if (error.code() != ErrorCode::unavailable) {
            throw;
        }
        const auto* known = dynamic_cast<const TransientError*>(&error);
        const bool throttled =
            known != nullptr && known->cause() == TransientError::Cause::throttled;
        const double asked = known != nullptr ? known->retry_after().value_or(0) : 0;
        const double cost = throttled ? policy.throttled_cost : policy.retry_cost;
        const double now = waiting.now();
        if (throttled) {
            gate.throttled(now);
        }
        const double first = course.first_failure.value_or(now);
        if (!course.first_failure) {
            course.first_failure = now;
            course.held_back = 0;
        }
        const bool late = course.attempts >= policy.least_attempts &&
                          now + asked - first - course.held_back >= policy.deadline;
        if (course.attempts >= policy.attempts || late || !budget.take(cost)) {
            give_up(error, course.attempts, now - course.began);
        }
        tell_of(error, course, now);
        course.spent += cost;
        course.next_pause =
            std::max(course.next_pause, throttled ? policy.throttled_pause : policy.first_pause);
        return asked;
    }

    /// A first failure is nobody's business: most pass.
    void tell_of(const Error& error, const Course& course, double now)
    {
        if (!tell || course.attempts < 2) {
            return;
        }
        {
            const std::lock_guard lock(telling);
            if (told && now - *told < seconds_between_words) {
                return;
            }
            told = now;
        }
        tell(fmt::format("{}; tried again for up to {:.0f} s", error.what(), policy.deadline));
    }

    /// Whether what lies there is what we tried to create: then an earlier attempt had worked.
    bool is_ours(const std::string& key, ByteSpan object, const std::stop_token& stop)
    {
        try {
            Bytes there(object.size() + 1);
            there.resize(inner->get(key, 0, there, stop));
            return equal(there, object);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::not_found) {
                throw;
            }
            return false; // gone since
        }
    }

    void wait_for_upload(std::size_t size, Course& course, const std::stop_token& stop)
    {
        const double before = waiting.now();
        upload.take(size, stop);
        course.held_back += waiting.now() - before;
    }

    /// What lies there is not looked at: it may not be readable.
    template <typename Create>
    void create_cold(std::size_t size, const std::stop_token& stop, Create&& body)
    {
        run(stop, [&](Course& course) {
            wait_for_upload(size, course, stop);
            body();
        });
    }

    template <typename Create>
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop, Create&& body)
    {
        run(stop, [&](Course& course) {
            wait_for_upload(object.size(), course, stop);
            try {
                body();
            } catch (const Error& error) {
                if (error.code() != ErrorCode::exists || course.attempts == 1 ||
                    !is_ours(key, object, stop)) {
                    throw;
                }
            }
        });
    }
};

RetryingStore::RetryingStore(std::shared_ptr<ObjectStore> inner, RetryPolicy policy, Limits limits,
                             Waiting waiting, Tell tell)
    : state_(new State(std::move(inner), policy, limits, std::move(waiting), std::move(tell)))
{
}

RetryingStore::~RetryingStore() = default;

std::uint64_t RetryingStore::retries() const
{
    return state_->retries;
}

std::optional<StoreTraffic> RetryingStore::traffic() const
{
    std::optional<StoreTraffic> traffic = state_->inner->traffic();
    if (traffic) {
        traffic->retries += state_->retries;
    }
    return traffic;
}

StoreDescription RetryingStore::describe(const std::stop_token& stop)
{
    return state_->run(stop, [&](const State::Course&) { return state_->inner->describe(stop); });
}

void RetryingStore::probe(const std::stop_token& stop)
{
    state_->run(stop, [&](const State::Course&) { state_->inner->probe(stop); });
}

std::optional<ObjectInfo> RetryingStore::stat(const std::string& key, const std::stop_token& stop)
{
    return state_->run(stop, [&](const State::Course&) { return state_->inner->stat(key, stop); });
}

std::size_t RetryingStore::get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                               const std::stop_token& stop)
{
    const std::size_t got = state_->run(
        stop, [&](const State::Course&) { return state_->inner->get(key, offset, buffer, stop); });
    state_->download.take(got, stop);
    return got;
}

Bytes RetryingStore::read(const std::string& key, std::uint64_t limit, const std::stop_token& stop)
{
    Bytes bytes = state_->run(
        stop, [&](const State::Course&) { return state_->inner->read(key, limit, stop); });
    state_->download.take(bytes.size(), stop);
    return bytes;
}

void RetryingStore::create(const std::string& key, ByteSpan object, const std::stop_token& stop)
{
    state_->create(key, object, stop, [&] { state_->inner->create(key, object, stop); });
}

void RetryingStore::create(const std::string& key, const AlignedBuffer& object,
                           const std::stop_token& stop)
{
    state_->create(key, object.span(), stop, [&] { state_->inner->create(key, object, stop); });
}

void RetryingStore::create_cold(const std::string& key, ByteSpan object,
                                const std::stop_token& stop)
{
    state_->create_cold(object.size(), stop,
                        [&] { state_->inner->create_cold(key, object, stop); });
}

void RetryingStore::create_cold(const std::string& key, const AlignedBuffer& object,
                                const std::stop_token& stop)
{
    state_->create_cold(object.size(), stop,
                        [&] { state_->inner->create_cold(key, object, stop); });
}

void RetryingStore::remove(const std::string& key, const std::stop_token& stop)
{
    state_->run(stop, [&](const State::Course&) { state_->inner->remove(key, stop); });
}

LockReport RetryingStore::keep_locks(std::span<const ObjectInfo> objects, LockUpkeep upkeep,
                                     const std::stop_token& stop)
{
    return state_->run(stop, [&](const State::Course&) {
        return state_->inner->keep_locks(objects, upkeep, stop); // again is no harm
    });
}

Readiness RetryingStore::readiness(const std::string& key, const std::stop_token& stop)
{
    return state_->run(stop,
                       [&](const State::Course&) { return state_->inner->readiness(key, stop); });
}

Readiness RetryingStore::thaw(const std::string& key, const ThawWish& wish,
                              const std::stop_token& stop)
{
    return state_->run(stop,
                       [&](const State::Course&) { return state_->inner->thaw(key, wish, stop); });
}

std::vector<RefusedRemoval> RetryingStore::remove_all(std::span<const std::string> keys,
                                                      const std::stop_token& stop)
{
    return state_->run(stop,
                       [&](const State::Course&) { return state_->inner->remove_all(keys, stop); });
}

void RetryingStore::list(const std::string& prefix, Freshness freshness,
                         const std::function<void(const ObjectInfo&)>& each,
                         const std::stop_token& stop)
{
    state_->list([&](const auto& keep) { state_->inner->list(prefix, freshness, keep, stop); },
                 each, stop);
}

void RetryingStore::list_all(std::span<const std::string> prefixes, Freshness freshness,
                             const std::function<void(const ObjectInfo&)>& each,
                             const std::stop_token& stop)
{
    state_->list(
        [&](const auto& keep) { state_->inner->list_all(prefixes, freshness, keep, stop); }, each,
        stop);
}

} // namespace backstay::core
