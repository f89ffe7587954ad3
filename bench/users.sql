-- 1,000 users. Everybody's password is "password123", hashed by bcrypt at cost 10.
INSERT INTO users (email, password_hash, name)
SELECT 'user' || i || '@bench.test', '$2b$10$6Q2NfKQQY5akHW8WFWvkJODp9z9JBjlKoT4RnxaHJUR4TExl/ZWv6', 'User ' || i
FROM generate_series(1, 1000) i;
