#include "guarded.hpp"
#include "handles.hpp"

#include "base/thread.hpp"

#include <algorithm>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

using backstay::capi::CancelState;
using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::ErrorCode;

namespace backstay::capi
{

namespace
{

/// One thread that turns triggers, which may come from a signal handler, into stop requests. It
/// lives as long as there are tokens.
class Watcher
{
public:
    Watcher() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
    {
        if (wake_ < 0) {
            core::throw_system_error(errno, "cannot make an event descriptor", "",
                                     ErrorCode::internal);
        }
        thread_ = core::Thread("backstay-cancel", [this] { run(); });
    }

    ~Watcher()
    {
        end_ = true;
        wake();
        thread_.join();
        ::close(wake_);
    }

    void add(const std::shared_ptr<CancelState>& state)
    {
        {
            const std::lock_guard lock(mutex_);
            states_.push_back(state);
        }
        wake();
    }

    static std::shared_ptr<Watcher> instance()
    {
        static std::mutex mutex;
        static std::weak_ptr<Watcher> current;
        static pid_t process = 0; ///< whose `current` is: a fork does not copy its thread
        const std::lock_guard lock(mutex);
        std::shared_ptr<Watcher> watcher = process == ::getpid() ? current.lock() : nullptr;
        if (!watcher) {
            watcher = std::make_shared<Watcher>();
            current = watcher;
            process = ::getpid();
        }
        return watcher;
    }

private:
    void wake() const
    {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
    }

    std::vector<std::shared_ptr<CancelState>> living()
    {
        const std::lock_guard lock(mutex_);
        std::vector<std::shared_ptr<CancelState>> states;
        states_.erase(std::remove_if(states_.begin(), states_.end(),
                                     [](const auto& state) { return state.expired(); }),
                      states_.end());
        for (const auto& weak : states_) {
            if (auto state = weak.lock(); state && !state->stop.stop_requested()) {
                states.push_back(std::move(state));
            }
        }
        return states;
    }

    void run()
    {
        while (!end_) {
            const auto states = living();
            std::vector<pollfd> descriptors{{wake_, POLLIN, 0}};
            for (const auto& state : states) {
                descriptors.push_back({state->event, POLLIN, 0});
            }
            ::poll(descriptors.data(), descriptors.size(), -1);
            std::uint64_t count = 0;
            [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
            for (const auto& state : states) {
                if (state->triggered) {
                    state->stop.request_stop();
                }
            }
        }
    }

    int wake_;
    std::atomic<bool> end_{false};
    std::mutex mutex_; // guards states_
    std::vector<std::weak_ptr<CancelState>> states_;
    core::Thread thread_;
};

} // namespace

CancelState::~CancelState()
{
    if (event >= 0) {
        ::close(event);
    }
}

std::stop_token stop_of(const backstay_cancel* cancel)
{
    return cancel != nullptr ? cancel->state->stop.get_token() : std::stop_token();
}

} // namespace backstay::capi

extern "C" {

backstay_status backstay_cancel_new(backstay_cancel** cancel, backstay_error** error)
{
    return guarded(error, [&] {
        need(cancel, "cancel");
        auto state = std::make_shared<CancelState>();
        state->event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (state->event < 0) {
            backstay::core::throw_system_error(errno, "cannot make an event descriptor", "",
                                               ErrorCode::internal);
        }
        const auto watcher = backstay::capi::Watcher::instance();
        watcher->add(state);
        *cancel = new backstay_cancel{std::move(state), watcher};
        return BACKSTAY_OK;
    });
}

void backstay_cancel_trigger(backstay_cancel* cancel)
{
    if (cancel == nullptr || cancel->state->process != ::getpid()) {
        return; // the parent's, whose event it shares
    }
    cancel->state->triggered = true;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(cancel->state->event, &one, sizeof one);
}

void backstay_cancel_free(backstay_cancel* cancel)
{
    if (cancel != nullptr && cancel->state->process == ::getpid()) {
        delete cancel;
    }
}

} // extern "C"
