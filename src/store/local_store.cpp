#include "store/local_store.hpp"
