#pragma once

#include <functional>
#include <pthread.h>
#include <string>

namespace backstay::core
{

/// A thread that blocks all signals, which are the host's, with a stack of a size of its own:
/// `ulimit -s` decides about the host's threads alone. Joined when it is dropped. One thread at a
/// time.
class Thread
{
public:
    Thread() = default;
    /// `body` must not throw; `name`: at most 15 characters count, for debuggers. Throws
    /// std::system_error if there can be no more threads.
    Thread(const std::string& name, std::function<void()> body);
    ~Thread();
    Thread(Thread&& other) noexcept;
    Thread& operator=(Thread&& other) noexcept;

    void join();
    /// It goes on by itself.
    void detach();

private:
    pthread_t thread_{};
    bool runs_ = false;
};

} // namespace backstay::core
