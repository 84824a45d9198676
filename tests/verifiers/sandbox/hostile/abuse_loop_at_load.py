# It does not begin.
while True:
    pass
