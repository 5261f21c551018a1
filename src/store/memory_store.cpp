#include "store/memory_store.hpp"
